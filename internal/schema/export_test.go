package schema

// UpFrom and DownFrom take the migrations from elsewhere.
var (
	UpFrom     = up
	DownFrom   = down
	StatusFrom = readStatus
)
