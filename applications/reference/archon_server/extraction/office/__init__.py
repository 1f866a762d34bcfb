"""Office's own formats: Word, PowerPoint and Excel, of 2007 and later, in their transitional and their strict form.

Element names are compared without their namespace's address: the two forms differ in nothing else that is read here.
"""
