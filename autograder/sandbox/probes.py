"""Hostile attempts that must achieve nothing in a sandbox, and wanted things that must work in it.

A probe returns what it achieved, or something false; an exception means that it was kept from it.
Each is told what an attacker could know or guess of the host, as an object `host`:

secret, folder : paths of a file that is not shown, and of its folder.
shown : path of a folder that is shown.
pid, parent : of a process of the host, under the same user where possible, and of the grader.
tcp, udp : addresses at which the host listens.
abstract, stream, datagram : names of sockets of the host.
variable : name and value of an environment variable of the host.
files, memory, processes, open_files : the limits.
layer : that is tried.
"""

import ctypes
import errno
import importlib
import mmap
import os
import resource
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import threading
from pathlib import Path

from autograder.sandbox import seccomp, syscalls

HOSTILE, WANTED = {}, {}


def _hostile(function):
    HOSTILE[function.__name__.replace("_", " ").strip()] = function
    return function


def _wanted(function):
    WANTED[function.__name__.replace("_", " ").strip()] = function
    return function


def run(probes, host):
    """What each of the probes achieved, as text; those that achieved nothing are left out."""
    achieved = {}
    for name, probe in probes.items():
        try:
            result = probe(host)
        except Exception:
            continue
        if result:
            achieved[name] = repr(result)[:200]
    return achieved


def broken(host):
    """Why each of the wanted things does not work; those that work are left out."""
    reasons = {}
    for name, probe in WANTED.items():
        try:
            probe(host)
        except Exception as error:
            reasons[name] = f"{type(error).__name__}: {error}"[:200]
    return reasons


def _call(name, *arguments):
    """The result of a system call by its number; raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = libc.syscall(ctypes.c_long(_number(name)), *words)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _number(name):
    return seccomp.number(name, seccomp.machine())


# --- The network and sockets


@_hostile
def connect_over_tcp(host):
    with socket.create_connection(host.tcp, 1):
        return "connected"


@_hostile
def send_over_udp(host):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        return sender.sendto(b"x", host.udp)


@_hostile
def connect_over_ipv6(host):
    with socket.socket(socket.AF_INET6) as client:
        return client.connect(("::1", host.tcp[1])) is None


@_hostile
def look_up_a_name(host):
    return socket.getaddrinfo("localhost.example.com", 80)


@_hostile
def listen_on_tcp(host):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        return "listens"


@_hostile
def open_a_raw_socket(host):
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP):
        return "opened"


@_hostile
def open_a_packet_socket(host):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW):
        return "opened"


@_hostile
def open_a_netlink_socket(host):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0):
        return "opened"


@_hostile
def open_a_kernel_crypto_socket(host):
    with socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET):
        return "opened"


@_hostile
def open_a_machine_socket(host):
    with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM):
        return "opened"


@_hostile
def connect_to_an_abstract_socket(host):
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect(host.abstract) is None


@_hostile
def connect_to_a_socket_file(host):
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect(host.stream) is None


@_hostile
def send_to_a_socket_file(host):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        return sender.sendto(b"x", host.datagram)


@_hostile
def send_to_a_socket_file_from_a_pair(host):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        return ours.sendto(b"x", host.datagram)


# --- Files


@_hostile
def read_a_secret(host):
    return Path(host.secret).read_bytes()


@_hostile
def read_a_secret_through_a_link(host):
    os.symlink(host.secret, "to-secret")
    return Path("to-secret").read_bytes()


@_hostile
def read_a_secret_through_a_hard_link(host):
    os.link(host.secret, "hard-secret")
    return Path("hard-secret").read_bytes()


@_hostile
def read_a_secret_through_the_grader(host):
    return Path(f"/proc/{host.parent}/root{host.secret}").read_bytes()


@_hostile
def read_a_secret_through_the_root_of_all(host):
    return Path(f"/proc/1/root{host.secret}").read_bytes()


@_hostile
def read_a_secret_from_above(host):
    return Path("/proc/self/cwd" + "/.." * 40 + host.secret).read_bytes()


@_hostile
def read_a_secret_by_a_handle(host):
    handle = ctypes.create_string_buffer(struct.pack("Ii", 128, 0) + bytes(128))
    mount = ctypes.c_int()
    _call("name_to_handle_at", -100, host.secret.encode(), handle, ctypes.byref(mount), 0)
    return "a handle"


@_hostile
def see_a_secret(host):
    return os.stat(host.secret).st_size


@_hostile
def list_the_folder_of_a_secret(host):
    return os.listdir(host.folder)


@_hostile
def watch_the_folder_of_a_secret(host):
    libc = ctypes.CDLL(None)
    watcher = libc.inotify_init()
    return libc.inotify_add_watch(watcher, host.folder.encode(), 0xFFF) >= 0


@_hostile
def write_a_secret(host):
    with open(host.secret, "ab") as file:
        return file.write(b"x")


@_hostile
def truncate_a_secret(host):
    return os.truncate(host.secret, 0) is None


@_hostile
def remove_a_secret(host):
    return os.unlink(host.secret) is None


@_hostile
def rename_a_secret(host):
    return os.rename(host.secret, f"{host.secret}-renamed") is None


@_hostile
def replace_a_secret(host):
    Path("mine").write_text("mine")
    return os.replace("mine", host.secret) is None


@_hostile
def change_the_mode_of_a_secret(host):
    return os.chmod(host.secret, 0o777) is None


@_hostile
def change_the_owner_of_a_secret(host):
    return os.chown(host.secret, os.getuid(), os.getgid()) is None


@_hostile
def change_the_time_of_a_secret(host):
    return os.utime(host.secret, (0, 0)) is None


@_hostile
def change_attributes_of_a_secret(host):
    return os.setxattr(host.secret, "user.x", b"x") is None


@_hostile
def write_beside_a_secret(host):
    return Path(host.folder, "left").write_text("x")


@_hostile
def write_where_it_may_read(host):
    return Path(host.shown, "left").write_text("x")


@_hostile
def change_the_mode_where_it_may_read(host):
    return os.chmod(host.shown, 0o777) is None


@_hostile
def change_the_mode_of_an_open_file(host):
    file = next(path for path in Path(host.shown).iterdir() if path.is_file())
    with open(file, "rb") as opened:
        return os.fchmod(opened.fileno(), 0o777) is None


@_hostile
def write_settings(host):
    return Path("/etc/left").write_text("x")


@_hostile
def read_passwords(host):
    return Path("/etc/shadow").read_bytes()


@_hostile
def read_names_of_users(host):
    return [line for line in Path("/etc/passwd").read_text().splitlines() if "student" not in line]


@_hostile
def list_homes(host):
    return os.listdir("/home") or os.listdir("/root")


@_hostile
def list_the_root_of_files(host):
    return {"home", "var", "opt", "srv"} & set(os.listdir("/"))


@_hostile
def read_logs(host):
    return os.listdir("/var/log")


@_hostile
def read_the_log_of_the_kernel(host):
    with open("/dev/kmsg", "rb") as file:
        return file.readable()


@_hostile
def open_a_terminal(host):
    with open("/dev/tty", "wb") as file:
        return file.writable()


@_hostile
def open_other_devices(host):
    usual = {"null", "zero", "full", "random", "urandom", "shm", "fd"}
    return [name for name in set(os.listdir("/dev")) - usual if os.access(f"/dev/{name}", os.R_OK)]


@_hostile
def make_a_device(host):
    os.mknod("device", 0o600 | stat.S_IFBLK, os.makedev(254, 0))
    return "made"


@_hostile
def change_settings_of_the_kernel(host):
    return Path("/proc/sys/kernel/hostname").write_text("x")


@_hostile
def read_memory_of_the_kernel(host):
    with open("/proc/kcore", "rb") as file:
        return file.read(1)


@_hostile
def write_to_the_bus_of_devices(host):
    with open("/sys/kernel/uevent_helper", "wb") as file:
        return file.writable()


# --- Processes


@_hostile
def see_other_processes(host):
    return [p for p in os.listdir("/proc") if p.isdigit() and int(p) not in (1, os.getpid())]


@_hostile
def read_the_environment_of_others(host):
    return any(Path(f"/proc/{pid}/environ").read_bytes() for pid in (host.pid, host.parent))


@_hostile
def read_the_memory_of_others(host):
    with open(f"/proc/{host.pid}/mem", "rb") as file:
        return file.readable()


@_hostile
def read_the_descriptors_of_others(host):
    return os.listdir(f"/proc/{host.parent}/fd")


@_hostile
def signal_a_process(host):
    return os.kill(host.pid, signal.SIGUSR1) is None


@_hostile
def signal_the_grader(host):
    return os.kill(host.parent, 0) is None


@_hostile
def signal_its_parent(host):
    return os.getppid() > 0 and os.kill(os.getppid(), 0) is None


@_hostile
def signal_all_processes(host):
    os.kill(-1, signal.SIGURG)  # which only the one process on the host heeds that is looked at


@_hostile
def signal_through_a_descriptor(host):
    return signal.pidfd_send_signal(os.pidfd_open(host.pid), signal.SIGUSR1) is None


@_hostile
def trace_a_process(host):
    return _call("ptrace", 16, host.pid, 0, 0) >= 0


@_hostile
def copy_from_the_memory_of_another(host):
    return _call("process_vm_readv", host.pid, None, 0, None, 0, 0) >= 0


@_hostile
def take_a_descriptor_of_another(host):
    return _call("pidfd_getfd", os.pidfd_open(host.pid), 0, 0) >= 0


@_hostile
def limit_another_process(host):
    return resource.prlimit(host.pid, resource.RLIMIT_NOFILE, (64, 64))


@_hostile
def slow_another_process(host):
    return os.setpriority(os.PRIO_PROCESS, host.pid, 19) is None


@_hostile
def slow_all_processes_of_the_user(host):
    os.setpriority(os.PRIO_USER, 0, 1)  # whether others are slower is seen on the host


@_hostile
def bind_another_process_to_a_processor(host):
    return os.sched_setaffinity(host.pid, {0}) is None


@_hostile
def schedule_another_process(host):
    os.sched_setscheduler(host.pid, os.SCHED_IDLE, os.sched_param(0))
    return "idle"


@_hostile
def outlive_the_grader(host):
    return syscalls.prctl(syscalls.PR_SET_PDEATHSIG, 0) == 0


@_hostile
def hide_from_the_grader(host):
    return syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0) == 0


@_hostile
def adopt_processes(host):
    return syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1) == 0


@_hostile
def survive_lack_of_memory(host):
    return Path("/proc/self/oom_score_adj").write_text("-1000")


# --- Rights


@_hostile
def be_root(host):
    return 0 in (*os.getresuid(), *os.getresgid())


@_hostile
def become_root(host):
    return os.setuid(0) is None


@_hostile
def become_the_group_of_root(host):
    return os.setgid(0) is None


@_hostile
def become_another_user(host):
    return os.setuid(1) is None


@_hostile
def become_root_by_a_program(host):
    done = subprocess.run(["su", "-c", "id"], capture_output=True, stdin=subprocess.DEVNULL)
    return done.returncode == 0


@_hostile
def have_capabilities(host):
    status = Path("/proc/self/status").read_text()
    return [line for line in status.splitlines() if line.startswith(("CapEff", "CapPrm", "CapInh"))
            and int(line.split()[1], 16)]  # fmt: skip


@_hostile
def gain_privileges_by_programs(host):
    return "NoNewPrivs:\t0" in Path("/proc/self/status").read_text()


@_hostile
def make_a_namespace_of_users(host):
    return syscalls.unshare(syscalls.CLONE_NEWUSER) is None


@_hostile
def make_a_namespace_by_forking(host):
    libc = ctypes.CDLL(None, use_errno=True)
    number = {"x86_64": 56, "aarch64": 220}[seccomp.machine()]
    flags = syscalls.CLONE_NEWUSER | signal.SIGCHLD
    pid = libc.syscall(ctypes.c_long(number), ctypes.c_long(flags), None, None, None, None)
    if pid == 0:
        os._exit(0)
    return pid > 0


@_hostile
def enter_a_namespace(host):
    return _call("setns", os.open("/proc/1/ns/mnt", os.O_RDONLY), 0) >= 0


@_hostile
def mount_something(host):
    return _call("mount", b"tmpfs", os.getcwd().encode(), b"tmpfs", 0, None) >= 0


@_hostile
def mount_something_the_new_way(host):
    os.close(syscalls.open_tree("/usr"))
    return "opened"


@_hostile
def unmount_something(host):
    return _call("umount2", b"/tmp", 2) >= 0


@_hostile
def change_the_root(host):
    return os.chroot(".") is None


@_hostile
def make_the_shown_writable(host):
    syscalls.set_root_attributes(0)
    return "changed"


@_hostile
def load_a_program_into_the_kernel(host):
    return _call("bpf", 0, bytes(64), 64) >= 0


@_hostile
def load_a_module(host):
    return _call("init_module", b"", 0, b"") >= 0


@_hostile
def measure_the_machine(host):
    return _call("perf_event_open", bytes(128), 0, -1, -1, 0) >= 0


@_hostile
def handle_page_faults(host):
    return _call("userfaultfd", 0) >= 0


@_hostile
def queue_work_for_the_kernel(host):
    return _call("io_uring_setup", 8, ctypes.create_string_buffer(256)) >= 0


@_hostile
def keep_keys(host):
    return _call("add_key", b"user", b"x", b"x", 1, -3) >= 0


@_hostile
def rename_the_host(host):
    return syscalls.set_host_name("x") is None


@_hostile
def change_the_clock(host):
    return _call("settimeofday", struct.pack("qq", 0, 0), None) >= 0


@_hostile
def change_its_personality(host):
    return _call("personality", 0x0040000) >= 0


@_hostile
def call_by_numbers_of_another_interface(host):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc.syscall(ctypes.c_long(0x40000000 | 39)) >= 0


@_hostile
def call_what_is_newer_than_the_sandbox(host):
    libc = ctypes.CDLL(None, use_errno=True)
    for number in range(457, 1000):
        if libc.syscall(ctypes.c_long(number), *[ctypes.c_long(-1)] * 6) >= 0:
            return number
        if ctypes.get_errno() != errno.ENOSYS:
            return f"{number} is there"
    return None


# --- Limits


@_hostile
def raise_a_limit(host):
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    return resource.setrlimit(resource.RLIMIT_CPU, (hard + 1, hard + 1)) is None


@_hostile
def have_no_limit(host):
    kinds = ("CPU", "DATA", "NPROC", "FSIZE", "NOFILE", "CORE")
    limits = {kind: resource.getrlimit(getattr(resource, f"RLIMIT_{kind}"))[1] for kind in kinds}
    return [kind for kind, limit in limits.items() if limit == resource.RLIM_INFINITY]


@_hostile
def take_much_memory(host):
    taken = [bytearray(16 << 20) for _ in range(host.memory // (16 << 20) + 1)]
    return len(taken)


@_hostile
def take_memory_of_no_process(host):
    return os.memfd_create("x")


@_hostile
def take_memory_between_processes(host):
    segment = _call("shmget", 0, 1 << 20, 0o1600)
    _call("shmctl", segment, 0, None)
    return f"segment {segment}"


@_hostile
def queue_messages(host):
    queue = _call("msgget", 0, 0o1600)
    _call("msgctl", queue, 0, None)
    return f"queue {queue}"


@_hostile
def queue_messages_by_name(host):
    return _call("mq_open", b"x", os.O_CREAT | os.O_RDWR, 0o600, None) >= 0


@_hostile
def write_a_large_file(host):
    with open("large", "wb") as file:
        file.seek(host.files)
        return file.write(b"x") and file.flush() is None


@_hostile
def fill_all_folders_together(host):
    if host.layer == "landlock":  # the waiter ends it for that
        return
    paths = [Path(folder, f"part-{os.getpid()}") for folder in (".", "/tmp", "/dev/shm")]
    try:
        return [path.write_bytes(bytes(host.files // 2)) for path in paths]
    finally:
        for path in paths:
            path.unlink()


@_hostile
def open_many_files(host):
    opened = []
    try:
        for _ in range(host.open_files + 1):
            opened.append(os.open("/dev/null", os.O_RDONLY))
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return len(opened)


@_hostile
def start_many_processes(host):
    children = []
    read, write = os.pipe()
    try:
        for _ in range(host.processes + 1):
            if (pid := os.fork()) == 0:
                os.close(write)
                os.read(read, 1)
                os._exit(0)
            children.append(pid)
    finally:
        os.close(write)
        os.close(read)
        for pid in children:
            os.waitpid(pid, 0)
    return len(children)


@_hostile
def leave_a_process_behind(host):
    if os.fork() == 0:  # whether it lives is seen on the host
        os.setsid()
        if os.fork() == 0:
            signal.pause()
        os._exit(0)


# --- What the grader left lying about


@_hostile
def find_open_files(host):
    links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    return [to for to in (os.readlink(link) for link in links if os.path.lexists(link))
            if to.startswith("/") and to != "/dev/null" and not to.startswith("/proc")]  # fmt: skip


@_hostile
def find_the_environment(host):
    name, value = host.variable
    found = Path("/proc/self/environ").read_bytes()
    libc = ctypes.CDLL(None)
    libc.getenv.restype = ctypes.c_char_p
    return value.encode() in found or name in os.environ or libc.getenv(name.encode())


@_hostile
def find_a_path_to_the_host(host):
    return [name for name, value in os.environ.items() if host.folder in value]


# --- Wanted


@_wanted
def write_and_read_files(host):
    Path("a").mkdir()
    Path("a", "b").write_text("hello")
    assert Path("a", "b").read_text() == "hello"
    os.replace("a/b", "c")
    os.unlink("c")
    os.rmdir("a")


@_wanted
def use_temporary_files(host):
    with tempfile.TemporaryDirectory() as folder, tempfile.NamedTemporaryFile(dir=folder) as file:
        file.write(b"x")


@_wanted
def run_threads(host):
    results = []
    threads = [threading.Thread(target=results.append, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [0, 1, 2]


@_wanted
def talk_over_a_pair_of_sockets(host):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.send(b"x")
        assert theirs.recv(1) == b"x"


@_wanted
def share_memory_with_a_file(host):
    with tempfile.TemporaryFile() as file:
        file.truncate(4096)
        with mmap.mmap(file.fileno(), 4096) as memory:
            memory[:5] = b"hello"


@_wanted
def draw_random_bytes(host):
    assert len(os.urandom(8)) == 8
    with open("/dev/urandom", "rb") as file:
        assert len(file.read(8)) == 8


@_wanted
def read_what_is_shown(host):
    assert os.listdir(host.shown)
    assert any(path.read_bytes() for path in Path(host.shown).iterdir() if path.is_file())


@_wanted
def import_a_module(host):
    importlib.import_module("colorsys")


@_wanted
def run_programs_and_processes(host):
    if host.layer != "landlock":  # which refuses new processes
        multiprocessing = importlib.import_module("multiprocessing")
        assert subprocess.check_output(["/bin/echo", "hi"], text=True) == "hi\n"
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.map(abs, [-1, -2]) == [1, 2]
