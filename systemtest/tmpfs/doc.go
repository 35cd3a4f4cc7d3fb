// Package tmpfs gives tests directories in memory, for the files of masters whose machines
// do not lose their power. Fake time stands still while a file is synced, so a disk adds
// nothing there but the time that it takes. Where there is no such memory, or too little, the
// directory is on the disk.
package tmpfs
