/* Let user-mode Linux set the registers of processors that have more of them than it knows.
 *
 * Up to 6.15 its kernel keeps 2,696 bytes of them for each process (HOST_FP_SIZE in
 * arch/x86/um/user-offsets.c). Processors with AMX have 11,008, and ptrace(2) refuses to set a part
 * (EFAULT, xstateregs_set in arch/x86/kernel/fpu/regset.c), by which its first process is killed and
 * the kernel panics. This library stands before the C library's ptrace: the rest, which nothing in
 * there uses, is set to what it was.
 *
 * scripts/second-kernel builds and preloads it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

typedef long (*ptrace_function)(enum __ptrace_request, int, long, void *);

static char whole[1 << 16];

static long set_registers(ptrace_function next, int pid, const struct iovec *part)
{
	struct iovec all = { whole, sizeof(whole) };
	size_t known;

	if (next(PTRACE_GETREGSET, pid, NT_X86_XSTATE, &all) < 0)
		return -1;
	known = part->iov_len < all.iov_len ? part->iov_len : all.iov_len;
	memcpy(whole, part->iov_base, known);
	return next(PTRACE_SETREGSET, pid, NT_X86_XSTATE, &all);
}

long ptrace(enum __ptrace_request request, ...)
{
	static ptrace_function next;
	va_list more;
	long address;
	int pid;
	void *data;

	if (!next)
		next = (ptrace_function)dlsym(RTLD_NEXT, "ptrace");
	va_start(more, request);
	pid = va_arg(more, int);
	address = va_arg(more, long);
	data = va_arg(more, void *);
	va_end(more);
	if (request == PTRACE_SETREGSET && address == NT_X86_XSTATE)
		return set_registers(next, pid, data);
	return next(request, pid, address, data);
}
