"""Names are not declared and have no type; a name that was deleted is not defined."""
x = 5
print(x)
x = "now a text"
print(x)
del x
try:
    print(x)
except NameError as error:
    print(f"NameError: {error}")
