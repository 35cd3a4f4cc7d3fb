//go:build !windows

package link

import "syscall"

const errConnectionRefused = syscall.ECONNREFUSED
