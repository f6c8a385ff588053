"""The colours of all plots: Okabe and Ito's palette, distinguishable with colour blindness."""

BLUE = "#0072B2"
VERMILION = "#D55E00"
GREY = "#767676"
