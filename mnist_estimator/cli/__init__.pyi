from ._exit_codes import ExitCode as ExitCode
from ._parser import main as main
