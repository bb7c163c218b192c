package pretrained

import "golang.org/x/sys/unix"

// unreserved lets a file be mapped that is larger than the memory that is
// left, since few of its bytes, if any, will be written to.
const unreserved = unix.MAP_NORESERVE
