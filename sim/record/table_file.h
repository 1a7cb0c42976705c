// TableFile: fixed-schema tables in one HDF5 file, appended in whole chunks, readable while written and after
// a kill.
//
//   filling ──(a table's chunk is full)──▶ appended ──(every few MiB, flush())──▶ on disk
//      │
//      └─(no room for a batch beside the reserve)──▶ every batch into the reserve, close, "disk full"
//
// Written through HDF5's single-writer multiple-reader mode: metadata goes out in an order that a reader, or
// whoever opens the file after a kill, can follow. Fixed-size rows only, and no new tables or attributes
// while it lasts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "stack/base/assert.h"
#include "stack/base/result.h"

namespace mesocosm {

enum class ColumnType : std::uint8_t { u8, u16, u32, u64, i64, f32, f64, text };

struct Column {
  const char* name;
  ColumnType type;
  std::size_t text_size = 0;  // bytes of a text column: UTF-8, padded with zeros
};

struct TableSpec {
  const char* name;
  const char* about;  // a sentence, kept as the table's attribute
  std::uint32_t chunk_rows;
  bool leads;  // other tables refer to its rows, so it is written before them
  std::vector<Column> columns;

  std::size_t row_size() const;
};

class TableFile {
 public:
  using Attributes = std::vector<std::pair<std::string, std::string>>;

  // Replaces what is at `path`. Errors: io.
  static Result<std::unique_ptr<TableFile>> create(std::string path, std::vector<TableSpec> specs);
  ~TableFile();  // closes without a word

  // True until the first rows were written: then attributes have to wait for close().
  bool takes_attributes() const { return !streaming_; }
  Result<> set_attribute(std::string_view name, std::string_view value);

  // `row` has the columns in order, packed. False: the batch is full now, call write_batch() before the next
  // row.
  template <class Row>
  bool push(std::size_t table, const Row& row) {
    static_assert(std::is_trivially_copyable_v<Row>);
    Table& to = tables_[table];
    MC_ASSERT(sizeof(Row) == to.row_size && to.rows < to.limit);
    std::memcpy(to.batch.data() + to.rows * sizeof(Row), &row, sizeof(Row));
    return ++to.rows < to.limit;
  }
  // Writes a full batch and the tables that lead. Errors: io; "disk full" after everything pushed was
  // written. After any error the file is closed as far as that went, with `ended` the error's text.
  Result<> write_batch(std::size_t table);
  // Writes everything pushed.
  Result<> flush();
  // Writes everything pushed, then the attributes.
  Result<> close(const Attributes& attributes);

  // For tests: the raw rows of a table, and a text attribute, of a file that nobody writes.
  static Result<std::vector<std::uint8_t>> read_rows(const std::string& path, const char* table);
  static Result<std::string> read_attribute(const std::string& path, const char* name);

  std::uint64_t rows(std::size_t table) const { return tables_[table].written + tables_[table].rows; }

 private:
  struct Table {
    std::int64_t dataset = -1;  // hid_t
    std::int64_t type = -1;
    std::size_t row_size = 0;
    std::uint32_t rows = 0;   // in the batch
    std::uint32_t limit = 0;  // rows that complete a chunk
    std::uint64_t written = 0;
    std::vector<std::uint8_t> batch;
  };

  TableFile(std::string path, std::vector<TableSpec> specs);
  Result<> make();
  Result<> make_table(const TableSpec& spec, Table& table);
  Result<> start_streaming();
  Result<> append(Table& table);
  Result<> append_all();
  std::uint64_t pending() const;  // bytes in the batches
  Result<> sync();
  bool room_for(std::uint64_t bytes);
  Error full_disk() const;
  tl::unexpected<Error> broken(std::string_view doing) const;
  void abandon();
  Result<> close_file();

  std::string path_;
  std::vector<TableSpec> specs_;
  std::vector<Table> tables_;
  std::int64_t file_ = -1;  // hid_t
  int descriptor_ = -1;     // ours, for reserving room
  bool streaming_ = false;
  std::uint64_t reserve_ = 0;         // what closing may need, at most
  std::uint64_t reserved_until_ = 0;  // file offset up to which the disk has promised room
  std::uint64_t unsynced_ = 0;        // bytes appended since the last flush
};

}  // namespace mesocosm
