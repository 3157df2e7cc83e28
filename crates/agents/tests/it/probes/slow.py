### compute without end
while True:
    pass
### compute a number without end
return len(str(7 ** 7 ** 9))
### sleep past the end of time
while True:
    time.sleep(100)
### match without end
import re
return re.match("(a+)+$", "a" * 40 + "b")
### ignore every signal
import signal
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    pass
### print a gigabyte
while True:
    print("x" * 8000)
### print lines without end
while True:
    print()
### print a gigabyte past Python
while True:
    os.write(1, bytes(1 << 16))
### print a gigabyte of errors
while True:
    os.write(2, bytes(1 << 16))
### raise errors without end
while True:
    try:
        raise KeyError
    except KeyError:
        continue
### hold the pipes open
os.close(1)
os.close(2)
while True:
    pass
### never let an error through
class Stubborn:
    def __del__(self):
        while True:
            pass
Stubborn()
### read what is meant for others from the standard input
got = os.read(0, 100)
if got:
    return got
raise OSError
