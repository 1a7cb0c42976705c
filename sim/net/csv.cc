#include "sim/net/csv.h"

#include <charconv>
#include <cmath>
#include <fstream>

namespace mesocosm {

namespace {

constexpr std::size_t kMaxFileBytes = 64 << 20;
constexpr std::size_t kMaxQuoted = 60;  // of a cell, in an error message

std::string quoted(std::string_view cell) {
  return "'" + std::string(cell.substr(0, kMaxQuoted)) + (cell.size() > kMaxQuoted ? "..." : "") + "'";
}

// All of `text`, or nothing.
template <class T>
bool parse_whole(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

Result<std::string> read_text_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(ErrorCode::not_found, path + ": cannot be opened");
  std::string text;
  std::string chunk(1 << 16, '\0');
  while (file.read(chunk.data(), static_cast<std::streamsize>(chunk.size())) || file.gcount() > 0) {
    text.append(chunk, 0, static_cast<std::size_t>(file.gcount()));
    if (text.size() > kMaxFileBytes) return fail(ErrorCode::too_large, path + ": larger than 64 MiB");
  }
  if (file.bad()) return fail(ErrorCode::io, path + ": cannot be read");
  return text;
}

Result<CsvTable> CsvTable::parse(std::string text, std::string name,
                                 const std::vector<std::string_view>& columns) {
  CsvTable table;
  table.text_ = std::move(text);
  table.name_ = std::move(name);
  const std::size_t size = table.text_.size();
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < size;) {
    std::size_t end = std::min(table.text_.find('\n', begin), size);
    const std::size_t next = end + 1;
    if (end > begin && table.text_[end - 1] == '\r') --end;
    ++number;
    if (end > begin && table.text_[begin] != '#') {
      if (auto taken = table.take_line({begin, end}, number, columns); !taken) {
        return tl::unexpected(taken.error());
      }
    }
    begin = next;
  }
  if (table.header_.empty()) return tl::unexpected(table.fault_in_line(number, "no header"));
  return table;
}

Result<> CsvTable::take_line(Slice line, std::size_t number, const std::vector<std::string_view>& columns) {
  std::vector<Slice>& out = header_.empty() ? header_ : cells_;
  const bool is_header = header_.empty();
  const std::size_t before = out.size();
  for (std::size_t begin = line.begin; begin <= line.end;) {
    const std::size_t end = std::min(text_.find(',', begin), line.end);
    out.push_back({begin, end});
    begin = end + 1;
  }
  if (view(line).find('"') != std::string_view::npos) {
    return tl::unexpected(fault_in_line(number, "quotes are not supported"));
  }
  const std::size_t count = out.size() - before;
  if (!is_header) {
    if (count != header_.size()) {
      return tl::unexpected(fault_in_line(
          number, std::to_string(count) + " cells where the header has " + std::to_string(header_.size())));
    }
    lines_.push_back(number);
    return {};
  }
  const bool open = !columns.empty() && columns.back() == "...";
  const std::size_t named = columns.size() - (open ? 1 : 0);
  bool matches = open ? count >= named : count == named;
  for (std::size_t i = 0; matches && i < named; ++i) matches = header(i) == columns[i];
  if (matches) return {};
  std::string wanted;
  for (std::string_view column : columns) wanted += (wanted.empty() ? "" : ",") + std::string(column);
  return tl::unexpected(fault_in_line(number, "the header is not " + wanted));
}

Result<double> CsvTable::number(std::size_t row, std::size_t column, double low, double high) const {
  double value = 0;
  if (!parse_whole(cell(row, column), value) || !std::isfinite(value)) {
    return tl::unexpected(fault(row, column, "not a number"));
  }
  if (value < low || value > high) return tl::unexpected(fault(row, column, "out of range"));
  return value;
}

Result<std::int64_t> CsvTable::integer(std::size_t row, std::size_t column, std::int64_t low,
                                       std::int64_t high) const {
  std::int64_t value = 0;
  if (!parse_whole(cell(row, column), value)) return tl::unexpected(fault(row, column, "not a whole number"));
  if (value < low || value > high) return tl::unexpected(fault(row, column, "out of range"));
  return value;
}

Error CsvTable::fault(std::size_t row, std::size_t column, std::string_view what) const {
  return fault_in_line(lines_[row], "column '" + std::string(header(column)) + "': " + std::string(what) +
                                        ": " + quoted(cell(row, column)));
}

Error CsvTable::fault_in_line(std::size_t number, std::string_view what) const {
  return {ErrorCode::bad_encoding, name_ + ":" + std::to_string(number) + ": " + std::string(what)};
}

}  // namespace mesocosm
