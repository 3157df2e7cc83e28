### compute without end
last(repeat(1))
### search without end
def f: if . > 0 then . + 1 | f else . end; 1 | f
### match without end
("a" * 40 + "b") | test("(a+)+$") | if . then . else last(repeat(1)) end
