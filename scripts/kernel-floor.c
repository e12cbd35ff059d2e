/* The least that a lab of plain hosts in a star can cost on this kernel: what `scripts/bench` compares with.
 *
 *     kernel-floor HOSTS [SWITCHES]
 *
 * It makes as many hosts as the namespaces engine would, with the same namespaces (mount, process ids, network,
 * names, IPC, control groups, and users, who own the network), and with an overlay root, /proc, /sys, /dev, /run and /tmp
 * each. Then `ip -batch` plugs a veth pair of each into a bridge. Nothing is hidden, limited, addressed, or
 * waited for. One line of JSON says how many seconds it took to make the hosts, the wires, and to end all.
 *
 * See namespaces(7), clone(2), pivot_root(2), ip(8).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PLACE "/run/floor"
#define MUST(call) ((call) < 0 ? (perror(#call), exit(1)) : (void)0)

static char stack[1 << 16];

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static int only_wait(void *unused)
{
	return pause();
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	MUST(fd);
	MUST(write(fd, text, strlen(text)));
	close(fd);
}

static int namespace_of(int pid, const char *kind)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, kind);
	MUST(fd = open(path, O_RDONLY | O_CLOEXEC));
	return fd;
}

/* A user namespace that owns a network: made by a child, for who enters the first cannot come back. */
static void make_network(int *user, int *network)
{
	int pid = clone(only_wait, stack + sizeof(stack), CLONE_VM | CLONE_NEWUSER | CLONE_NEWNET | SIGCHLD, NULL);
	char path[64];

	MUST(pid);
	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	write_text(path, "0 0 4294967295\n");
	snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
	write_text(path, "0 0 4294967295\n");
	*user = namespace_of(pid, "user");
	*network = namespace_of(pid, "net");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void be_host(int user, int ready)
{
	static const int devices[] = { 3, 5, 7, 8, 9 };
	char path[64];

	MUST(mount("tmpfs", PLACE, "tmpfs", MS_NOSUID | MS_NODEV, ""));
	MUST(chdir(PLACE));
	MUST(mkdir("root", 0755));
	MUST(mkdir("upper", 0755));
	MUST(mkdir("work", 0755));
	MUST(mount("overlay", "root", "overlay", MS_NODEV, "lowerdir=/,upperdir=upper,workdir=work"));
	MUST(chdir("root"));
	MUST(mount("proc", "proc", "proc", 0, ""));
	MUST(mount("sysfs", "sys", "sysfs", MS_RDONLY, ""));
	MUST(mount("tmpfs", "dev", "tmpfs", 0, ""));
	for (unsigned i = 0; i < sizeof(devices) / sizeof(*devices); i++) {
		snprintf(path, sizeof(path), "dev/%d", devices[i]);
		MUST(mknod(path, S_IFCHR | 0666, makedev(1, devices[i])));
	}
	MUST(mount("tmpfs", "run", "tmpfs", 0, ""));
	MUST(mount("tmpfs", "tmp", "tmpfs", 0, ""));
	MUST(syscall(SYS_pivot_root, ".", "."));
	MUST(umount2(".", MNT_DETACH));
	MUST(sethostname("host", 4));
	MUST(setns(user, CLONE_NEWUSER));
	MUST(write(ready, "", 1));
	close(ready);
	pause();
}

/* Make a share of the hosts; their process ids go into a pipe. */
static void make_hosts(int count, int pids)
{
	const int kinds = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
	int user, network, pid, ready[2];
	char byte;

	while (count--) {
		make_network(&user, &network);
		MUST(setns(network, CLONE_NEWNET));
		MUST(pipe2(ready, O_CLOEXEC));
		MUST(pid = syscall(SYS_clone, kinds | SIGCHLD, 0, 0, 0, 0));
		if (pid == 0)
			be_host(user, ready[1]);
		close(ready[1]);
		if (read(ready[0], &byte, 1) != 1)
			exit(1);
		close(ready[0]);
		close(user);
		close(network);
		MUST(write(pids, &pid, sizeof(pid)));
	}
	exit(0);
}

static void make_wires(const int *pids, int count, int switches)
{
	FILE *batch = popen("ip -batch -", "w");

	for (int i = 0; i < switches; i++)
		fprintf(batch, "link add s%d type bridge\nlink set s%d up\n", i, i);
	for (int i = 0; i < count; i++) {
		fprintf(batch, "link add p%d type veth peer name eth0 netns %d\n", i, pids[i]);
		fprintf(batch, "link set p%d master s%d up\n", i, i * switches / count);
	}
	if (pclose(batch) != 0)
		exit(1);
}

/* The first process: with it ends all that it has made. */
static void measure(int count, int switches)
{
	int workers = sysconf(_SC_NPROCESSORS_ONLN), failed = 0, status, pids[2];
	int *hosts = calloc(count, sizeof(*hosts));
	double begun, made, wired;

	MUST(mount("", "/", "", MS_REC | MS_PRIVATE, ""));
	MUST(mount("proc", "/proc", "proc", 0, ""));
	MUST(mount("tmpfs", "/run", "tmpfs", 0, ""));
	MUST(mkdir(PLACE, 0755));
	MUST(pipe2(pids, O_CLOEXEC));
	begun = now();
	for (int i = 0; i < workers; i++)
		if (fork() == 0)
			make_hosts(count * (i + 1) / workers - count * i / workers, pids[1]);
	close(pids[1]);
	for (int i = 0; i < count; i++)
		if (read(pids[0], hosts + i, sizeof(*hosts)) != sizeof(*hosts))
			exit(1);
	for (int i = 0; i < workers; i++) {
		MUST(wait(&status));
		failed |= status;
	}
	if (failed)
		exit(1);
	made = now();
	make_wires(hosts, count, switches);
	wired = now();
	kill(-1, SIGKILL);
	while (wait(NULL) > 0)
		;
	printf("{\"hosts_s\": %.4f, \"wires_s\": %.4f, \"down_s\": %.4f}\n", made - begun, wired - made, now() - wired);
	exit(fflush(stdout));
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 0, switches = argc > 2 ? atoi(argv[2]) : 1, status;

	if (count < 1 || switches < 1) {
		fprintf(stderr, "usage: kernel-floor HOSTS [SWITCHES]\n");
		return 2;
	}
	MUST(unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS));
	if (fork() == 0)
		measure(count, switches);
	wait(&status);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
