// Statistics of a table, column by column, in one pass over a CSV file whose first row names the columns.
//
// Memory: the distinct values of each column, at most 250,000 a column. Mean and deviation are computed with Welford's
// method, which keeps its precision when the numbers are large and close together.
#pragma once

#include <cstdint>
#include <functional>

#include "examples/tasks/tasks.h"

namespace examples {

// Told about every per cent of the file, and at its end; may throw to stop.
using Progress = std::function<void(std::int64_t bytes_done, std::int64_t bytes_in_all, std::int64_t rows)>;

// Throws PermanentFailure for a file that cannot be read, an empty one, or a separator that is not one character.
TableSummary summarize(const Summarize& task, const Progress& progress);

}  // namespace examples
