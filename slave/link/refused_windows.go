//go:build windows

package link

import "golang.org/x/sys/windows"

const errConnectionRefused = windows.WSAECONNREFUSED
