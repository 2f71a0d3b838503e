package caseload

// EachRow has foreign keys check row by row, as they do where the connection may not leave them out.
func (o Options) EachRow() Options {
	o.eachRow = true
	return o
}
