#!/bin/sh
# Proves that the interpreter and what it stands on are pure: lists the undefined symbols of every object in the given libraries and fails on any
# by which one could read a clock, roll dice, do I/O, start a thread, or depend on a sort that is not stable.
#   purity.sh NM LIBRARY…
set -u
nm=$1
shift
# base is a toolbox; these of its drawers are for the edges. random.c holds random_secure beside the pure generator, mem.c the line that is
# printed before the process ends for want of memory: nobody else may call the first, everybody may call the second.
# dsl's report.c sorts a finished compilation's diagnostics, with an order that leaves no ties.
except='[/_](clock|log|random|mem|report)\.c\.o:'
banned='time|clock|clock_gettime|gettimeofday|localtime.*|gmtime.*|mktime|ftime|nanosleep|usleep|sleep|timer_[a-z]*
rand|rand_r|random|random_r|srand|srandom|[dlm]rand48|arc4random.*|getrandom|getentropy|random_secure|clock_system|log_[a-z]*
open|open64|openat|creat|close|read|write|pread.*|pwrite.*|fopen.*|fdopen|freopen|fread|fwrite|fputs|fputc|putc|puts|printf|v?fprintf|__v?f?printf_chk
perror|stat|fstat|lstat|unlink|rename|mkdir|opendir|dlopen|syscall|ioctl
socket|connect|bind|listen|accept.*|send|sendto|sendmsg|recv|recvfrom|recvmsg|poll|select|epoll_.*
getenv|secure_getenv|setenv|putenv|system|popen|fork|vfork|exec[lv][a-z]*|posix_spawn.*|kill|signal|sigaction|raise|getpid|gethostname|setlocale
pthread_.*|thrd_.*|mtx_.*
qsort|qsort_r'
banned="^($(printf '%s' "$banned" | tr '\n' '|'))\$"
status=0
for library; do
  listed=$("$nm" -A -u "$library" 2>/dev/null)
  if [ -z "$listed" ]; then
    echo "$library: no symbols found"
    status=1
    continue
  fi
  bad=$(printf '%s\n' "$listed" | grep -Ev "$except" | sed -n 's/.* U \([^@]*\).*/\1/p' | sort -u | grep -E "$banned")
  if [ -n "$bad" ]; then
    echo "$library uses what a pure library must not:" $bad
    status=1
  else
    echo "$library is pure"
  fi
done
exit $status
