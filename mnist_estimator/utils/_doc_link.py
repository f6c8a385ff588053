"""Where scikit-learn's HTML representation of an estimator finds its documentation."""

from pathlib import Path


class DocumentationLink:
    """Link an estimator to its page in the reference that is installed with the package.

    scikit-learn fills in the name of the class, and adds to the link of a parameter a text
    fragment, ``#:~:text=…``, which leads to the first place on the page where the words stand:
    hence one page a class. A browser opens links to files from pages that are files themselves,
    not from those of a server.
    """

    _doc_link_module = "mnist_estimator"
    _doc_link_template = (
        Path(__file__).resolve().with_name("reference").as_uri() + "/{estimator_name}.html"
    )
