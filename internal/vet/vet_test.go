package vet_test

import (
	"testing"

	"golang.org/x/tools/go/analysis/analysistest"

	"github.com/situ-dev/situ/internal/vet"
)

// TestAnalyzer compares what is found in testdata with what its comments want, of
// the package and of one that it calls.
func TestAnalyzer(t *testing.T) {
	analysistest.Run(t, analysistest.TestData(), vet.Analyzer, "example.com/app/helper", "example.com/app")
}
