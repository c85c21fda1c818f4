"""Languages of the pages: catalogues as gettext .po files, numbers and dates as each writes them.

English is what stands in code and templates. `<room>.ky.po` and `<room>.ru.po` beside this file
have the other two; `python -m kench.cabinet.words` prints the entries that a catalogue lacks.
"""
