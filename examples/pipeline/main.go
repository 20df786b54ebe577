// Command pipeline hosts an index of words: run it with
// `situ dev ./examples/pipeline`.
package main

import (
	"github.com/situ-dev/situ"
	"github.com/situ-dev/situ/examples/pipeline/pipeline"
)

func main() { situ.Main(pipeline.Components()...) }
