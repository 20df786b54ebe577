package report

import (
	"math"
	"slices"
)

// Figure is one thing that a workload measures.
type Figure struct {
	Name    string  `json:"name"`
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"`
	Floor   float64 `json:"floor,omitempty"`    // in the same unit, of the same run
	FloorOf string  `json:"floor_of,omitempty"` // what the floor is
	Ratio   float64 `json:"ratio,omitempty"`    // value / floor; of several runs the median of each run's own
}

// Add adds a figure that has no floor.
func (r *Result) Add(name string, value float64, unit string) {
	r.Figures = append(r.Figures, Figure{Name: name, Value: value, Unit: unit})
}

// AddOver adds a figure with its floor, and the ratio of the two, which is 0 if
// the floor is.
func (r *Result) AddOver(name string, value float64, unit string, floor float64, floorOf string) {
	r.AddRatio(name, value, unit, floor, floorOf, value/floor)
}

// AddRatio is AddOver with a ratio that was measured better than by dividing.
func (r *Result) AddRatio(name string, value float64, unit string, floor float64, floorOf string, ratio float64) {
	if math.IsNaN(ratio) || math.IsInf(ratio, 0) {
		ratio = 0 // one of the two was not measured
	}
	r.Figures = append(r.Figures, Figure{name, value, unit, floor, floorOf, ratio})
}

// Figure returns the figure of that name, a zero one if there is none.
func (r *Result) Figure(name string) Figure {
	for _, f := range r.Figures {
		if f.Name == name {
			return f
		}
	}
	return Figure{}
}

// medianFigures returns the median of each figure that all runs have.
func medianFigures(runs []Result) (out []Figure) {
	for _, f := range runs[0].Figures {
		var values, floors, ratios []float64
		for i := range runs {
			if g := runs[i].Figure(f.Name); g.Name != "" {
				values, floors, ratios = append(values, g.Value), append(floors, g.Floor), append(ratios, g.Ratio)
			}
		}
		if len(values) == len(runs) {
			f.Value, f.Floor, f.Ratio = middle(values), middle(floors), middle(ratios)
			out = append(out, f)
		}
	}
	return out
}

// Middle returns the median of all, and 0 of nothing.
func Middle(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	return middle(slices.Clone(all))
}

// Bar is something that is to be reached.
type Bar struct {
	Name     string  `json:"name"`
	Least    bool    `json:"least"` // measured is to be at least the bound, else at most
	Bound    float64 `json:"bound"`
	Measured float64 `json:"measured"`
	Met      bool    `json:"met"`
}

// AtMost says that measured is to be at most bound. What is 0 or less was not
// measured, and is not met.
func AtMost(name string, measured, bound float64) Bar {
	return Bar{Name: name, Bound: bound, Measured: measured, Met: measured > 0 && measured <= bound}
}

// AtLeast says that measured is to be at least bound.
func AtLeast(name string, measured, bound float64) Bar {
	return Bar{Name: name, Least: true, Bound: bound, Measured: measured, Met: measured >= bound}
}
