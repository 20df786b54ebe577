package space

// Keep takes a file that nobody needs away, to be written over later instead of
// a new one: it has its room on the disk already, and its pages in memory. It
// does not if it has one, if the file has more than atMost bytes, or if the disk
// is nearly full.
func (d *Disk) Keep(path string, atMost int64) bool {
	info, err := d.fs.Stat(path)
	if err != nil || info.Size() > atMost || !d.Spare(d.min) {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.kept > 0 || d.fs.Rename(path, d.keptPath()) != nil {
		return false
	}
	d.kept = info.Size()
	return true
}

// Take gives the kept file to the caller, by its path. If there is none, ok is false.
func (d *Disk) Take() (path string, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ok, d.kept = d.kept > 0, 0
	return d.keptPath(), ok
}

// Drop removes the kept file, if there is one.
func (d *Disk) Drop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.drop()
}

// drop reports whether there is more room now.
func (d *Disk) drop() bool {
	if d.kept == 0 {
		return false
	}
	d.kept = 0
	if err := d.fs.Remove(d.keptPath()); err != nil {
		d.log.Error("store: a file that was kept to be written over cannot be removed", "error", err)
		return false
	}
	return true
}

func (d *Disk) keptPath() string { return d.fs.PathJoin(d.dir, Kept) }
