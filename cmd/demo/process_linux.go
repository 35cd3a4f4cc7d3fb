package demo

import "syscall"

// dieWithParent has the kernel kill the child when the demo dies, however it
// dies. (Strictly, when the thread dies that started the child; Go ends no
// thread that it did not lock.)
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
