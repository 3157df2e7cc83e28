### read the users of the machine
open("/etc/passwd").read()
### read the passwords of the machine
open("/etc/shadow").read()
### read a file that all may read
return open(inputs["file"]).read()
### read it by its descriptor
return os.read(os.open(inputs["file"], os.O_RDONLY), 100)
### open it as a path only, and then again
return os.open(inputs["file"], os.O_PATH | os.O_RDONLY) and open("/proc/self/fd/4").read()
### read it by way of the library
return open(os.path.dirname(os.__file__) + "/" + "../" * 12 + inputs["file"]).read()
### read it by way of the root of the process
return open("/proc/self/root" + inputs["file"]).read()
### read it by way of the folder of the process
return open("/proc/self/cwd" + inputs["file"]).read()
### list the root
os.listdir("/")
### list the temporary folder
os.listdir("/tmp")
### list a folder that all may list
os.listdir(inputs["folder"])
### walk the machine
next(os.walk("/"))[1][0]
### change the folder of the process
os.chdir(inputs["folder"])
### create a file where all may write
open(inputs["folder"] + "/written", "w")
### create a file in the temporary folder
open("/tmp/turbocat-probe", "w")
### create a file in the current folder
open("written", "w")
### append to a file that all may write
open(inputs["file"], "a")
### truncate it
os.truncate(inputs["file"], 0)
### make a temporary folder
tempfile.mkdtemp()
### make a temporary file
tempfile.TemporaryFile()
### make a file without a name
os.open(inputs["folder"], os.O_TMPFILE | os.O_RDWR)
### make a file in memory
os.memfd_create("x")
### make shared memory
from multiprocessing import shared_memory
shared_memory.SharedMemory(create=True, size=1 << 20)
### write to shared memory
open("/dev/shm/turbocat-probe", "w")
### change the library
open(os.path.dirname(os.__file__) + "/written.py", "w")
### change the runner's own modules
open(json.__file__, "a")
### write bytecode
import py_compile
return py_compile.compile(json.__file__, cfile=inputs["folder"] + "/x.pyc", doraise=True)
### make a symbolic link
os.symlink("/etc/passwd", inputs["folder"] + "/link")
### make a hard link
os.link(inputs["file"], inputs["folder"] + "/link")
### rename a file
os.rename(inputs["file"], inputs["folder"] + "/renamed")
### delete a file
os.unlink(inputs["file"])
### make a folder
os.mkdir(inputs["folder"] + "/made")
### delete a folder
os.rmdir(inputs["folder"])
### change who may read
os.chmod(inputs["file"], 0o600)
### change the owner
os.chown(inputs["file"], os.getuid(), os.getgid())
### change the times of a file
os.utime(inputs["file"])
### set an attribute of a file
os.setxattr(inputs["file"], "user.x", b"y")
### make a pipe with a name
os.mkfifo(inputs["folder"] + "/pipe")
### make a device
os.mknod(inputs["folder"] + "/device")
### read the environment of the host
return open(f"/proc/{inputs['host']}/environ").read()
### read the command line of the host
open(f"/proc/{inputs['host']}/cmdline").read()
### read the memory of the host
open(f"/proc/{inputs['host']}/mem", "rb").read(1)
### list the descriptors of the host
os.listdir(f"/proc/{inputs['host']}/fd")
### read one's own memory map
open("/proc/self/maps").read()
### write one's own memory
open("/proc/self/mem", "r+b")
### read the mounts
open("/proc/self/mounts").read()
### read the connections of the machine
open("/proc/net/tcp").read()
### write a setting of the kernel
open("/proc/sys/kernel/core_pattern", "w")
### list the hardware
os.listdir("/sys")
### open the memory of the machine
open("/dev/mem", "rb")
### open the terminal
open("/dev/tty", "w")
### open the disk
open("/dev/vda", "rb")
### open a socket of the internet
socket.socket(socket.AF_INET, socket.SOCK_STREAM)
### open a socket of the internet, version 6
socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
### open a socket for datagrams
socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
### open a local socket
socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
### open a raw socket
socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
### open a socket for packets
socket.socket(17, socket.SOCK_RAW)
### open a socket to the kernel
socket.socket(16, socket.SOCK_RAW, 0)
### open a socket to its host machine
socket.socket(40, socket.SOCK_STREAM)
### open a socket for ciphers
socket.socket(38, 5)
### make a pair of sockets
socket.socketpair()
### connect to a server
socket.create_connection(("127.0.0.1", inputs["port"]), timeout=1)
### listen
socket.create_server(("127.0.0.1", 0))
### make a socket of an inherited descriptor
socket.fromfd(0, socket.AF_INET, socket.SOCK_STREAM).connect(("127.0.0.1", inputs["port"]))
### look a name up
socket.getaddrinfo("example.com", 80)
### request a page
import urllib.request
urllib.request.urlopen(f"http://127.0.0.1:{inputs['port']}/", timeout=1)
### run an event loop
import asyncio
asyncio.run(asyncio.sleep(0))
### fork
os.fork()
### fork with a terminal
os.forkpty()
### fork twice and go on
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True:
            pass
### fork without end
while True:
    try:
        os.fork()
        break
    except OSError:
        if time.monotonic() > inputs["clock"] + 1000:
            raise
        raise
### run a program
subprocess.run(["/bin/true"], check=True)
### run a program in a shell
if os.system("true") == 0:
    return "ran"
raise OSError
### read what a program prints
if os.popen("echo x").read():
    return "ran"
raise OSError
### start a program without fork
os.posix_spawn("/bin/true", ["true"], {})
### become a shell
os.execv("/bin/sh", ["sh", "-c", "echo x"])
### become a program that is a file of one's own
os.execv("/proc/self/exe", ["x"])
### start a thread
threading.Thread(target=print).start()
### start a process of the library
import multiprocessing
multiprocessing.Process(target=print).start()
### start a pool of processes
import concurrent.futures
return concurrent.futures.ProcessPoolExecutor(1).submit(len, "abc").result()
### leave the session
os.setsid()
### leave the group of processes
os.setpgid(0, 0)
### end the host
os.kill(inputs["host"], 15)
### kill the host
os.kill(inputs["host"], 9)
### ask whether the host is there
os.kill(inputs["host"], 0)
### kill everybody
os.kill(-1, 9)
### kill the first process
os.kill(1, 9)
### kill the group of the host
os.killpg(os.getpgid(inputs["host"]), 9)
### take a handle of the host
os.pidfd_open(inputs["host"])
### become root
os.setuid(0)
### become root for a while
os.seteuid(0)
### become root and stay nobody
os.setresuid(0, 0, 0)
### take the groups of root
os.setgroups([0])
### change the root of the file system
os.chroot("/")
### raise the memory that may be used
import resource
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
### raise the number of processes
import resource
resource.setrlimit(resource.RLIMIT_NPROC, (100, 100))
### change the limits of the host
import resource
resource.prlimit(inputs["host"], resource.RLIMIT_NOFILE, (1, 1))
### raise the priority
os.setpriority(os.PRIO_PROCESS, 0, -5)
### lower the priority of the host
os.setpriority(os.PRIO_PROCESS, inputs["host"], 19)
### take a processor
os.sched_setaffinity(0, {0})
### change the scheduling
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
### set the clock
time.clock_settime(time.CLOCK_REALTIME, 0)
### set the name of the machine
socket.sethostname("x")
### type into a terminal
import fcntl, termios
fcntl.ioctl(0, termios.TIOCSTI, b"x")
### ask for signals of a descriptor
import fcntl, termios
fcntl.ioctl(0, 0x8901, inputs["host"].to_bytes(4, "little"))
### call the kernel past Python
import ctypes
ctypes.CDLL(None).syscall(57)
### load a library of one's own
import importlib.machinery
importlib.machinery.ExtensionFileLoader("x", inputs["file"]).create_module(None)
### read the environment
if os.environ:
    return dict(os.environ)
raise OSError
### find a descriptor that is no pipe
import stat
for number in range(64):
    try:
        mode = os.fstat(number).st_mode
    except OSError:
        continue
    if not stat.S_ISFIFO(mode):
        return number, mode
raise OSError
### trace the host by the debugger's way
import signal
return signal.pidfd_send_signal(3, 0)
### use more memory than there is, at once
return len(bytearray(1 << 32))
### use more memory than there is, bit by bit
kept = []
while True:
    kept.append(bytearray(1 << 20))
### use more memory than there is in texts
text = "x"
while True:
    text += text
### unpack a bomb
import zlib
return len(zlib.decompress(zlib.compress(bytes(1 << 20)) * 1)) and len(b"".join(bytes(1 << 20) for _ in range(1 << 12)))
### open files without end
kept = []
while True:
    kept.append(open(json.__file__))
### recurse without end
def again():
    return again()
return again()
### answer with a gigabyte
return "x" * (1 << 30)
### answer with more than may be answered
return "x" * (5 << 20)
### answer with itself
answer = []
answer.append(answer)
return answer
### write garbage to the host
os.write(3, b"garbage that is no message" * 10)
os._exit(0)
### announce a message of four gigabytes
os.write(3, b"\xff\xff\xff\xff")
while True:
    os.write(3, bytes(1 << 20))
### end without an answer
os._exit(0)
### kill itself
os.kill(os.getpid(), 9)
### raise a fault
os.abort()
