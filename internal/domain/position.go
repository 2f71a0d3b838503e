package domain

// Position is how far a database had come: it is never behind what was seen with it, and whoever reads at it or later sees
// that too. Later positions are greater. Zero is before everything.
type Position uint64
