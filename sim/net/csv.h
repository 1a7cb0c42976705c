// A strict reader for small CSV tables: lines of cells between commas, a header, comments with '#'. No
// quotes. Whatever is wrong is an Error of code bad_encoding that names the file, the line and the column.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "stack/base/result.h"

namespace mesocosm {

// A whole file as text. Errors: not_found, io, too_large (over 64 MiB).
Result<std::string> read_text_file(const std::string& path);

class CsvTable {
 public:
  // `name` is for error messages: the path. The first line that is no comment must have exactly the
  // `columns`, in order; a last column "..." stands for any further ones.
  static Result<CsvTable> parse(std::string text, std::string name,
                                const std::vector<std::string_view>& columns);

  std::size_t rows() const { return lines_.size(); }
  std::size_t columns() const { return header_.size(); }
  std::string_view header(std::size_t column) const { return view(header_[column]); }
  std::string_view cell(std::size_t row, std::size_t column) const {
    return view(cells_[row * header_.size() + column]);
  }
  // Within [low, high], else an error.
  Result<double> number(std::size_t row, std::size_t column, double low, double high) const;
  Result<std::int64_t> integer(std::size_t row, std::size_t column, std::int64_t low,
                               std::int64_t high) const;
  // "name:line: column 'header': what: 'cell'"
  Error fault(std::size_t row, std::size_t column, std::string_view what) const;

 private:
  struct Slice {  // offsets, so that the table can be moved
    std::size_t begin = 0;
    std::size_t end = 0;
  };
  std::string_view view(Slice slice) const {
    return std::string_view(text_).substr(slice.begin, slice.end - slice.begin);
  }
  Result<> take_line(Slice line, std::size_t number, const std::vector<std::string_view>& columns);
  Error fault_in_line(std::size_t number, std::string_view what) const;

  std::string text_;
  std::string name_;
  std::vector<Slice> header_;
  std::vector<Slice> cells_;        // row by row
  std::vector<std::size_t> lines_;  // line number of each row, for messages
};

}  // namespace mesocosm
