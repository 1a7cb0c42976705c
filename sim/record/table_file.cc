#include "sim/record/table_file.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <hdf5.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace mesocosm {
namespace {

constexpr std::uint64_t kMetadataSlack = 128 << 10;  // indexes and attributes, several times over
constexpr std::uint64_t kReserveAhead = 8 << 20;     // asked from the disk at a time
constexpr std::uint64_t kSyncEvery = 4 << 20;        // raw bytes between flushes of HDF5's caches

// HDF5 prints its error stack by default; within a scope of this it does not.
class Quiet {
 public:
  Quiet() {
    H5Eget_auto2(H5E_DEFAULT, &function_, &data_);
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }
  ~Quiet() { H5Eset_auto2(H5E_DEFAULT, function_, data_); }

 private:
  H5E_auto2_t function_ = nullptr;
  void* data_ = nullptr;
};

// Closes an HDF5 identifier at the end of the scope.
class Handle {
 public:
  explicit Handle(hid_t id) : id_(id) {}
  ~Handle() {
    if (id_ >= 0 && H5Iis_valid(id_) > 0) H5Idec_ref(id_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  operator hid_t() const { return id_; }

 private:
  hid_t id_;
};

// The innermost description on HDF5's error stack.
std::string last_error() {
  std::string text;
  H5Ewalk2(
      H5E_DEFAULT, H5E_WALK_UPWARD,
      [](unsigned depth, const H5E_error2_t* error, void* out) -> herr_t {
        if (depth == 0 && error->desc != nullptr) *static_cast<std::string*>(out) = error->desc;
        return 0;
      },
      &text);
  return text.empty() ? "unknown HDF5 error" : text;
}

hid_t make_text(std::size_t size) {
  const hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, size);
  H5Tset_cset(type, H5T_CSET_UTF8);
  H5Tset_strpad(type, H5T_STR_NULLPAD);
  return type;
}

std::size_t size_of(const Column& column) {
  switch (column.type) {
    case ColumnType::u8:
      return 1;
    case ColumnType::u16:
      return 2;
    case ColumnType::u32:
    case ColumnType::f32:
      return 4;
    case ColumnType::u64:
    case ColumnType::i64:
    case ColumnType::f64:
      return 8;
    case ColumnType::text:
      return column.text_size;
  }
  return 0;
}

hid_t number_type(ColumnType type) {
  switch (type) {
    case ColumnType::u8:
      return H5T_STD_U8LE;
    case ColumnType::u16:
      return H5T_STD_U16LE;
    case ColumnType::u32:
      return H5T_STD_U32LE;
    case ColumnType::u64:
      return H5T_STD_U64LE;
    case ColumnType::i64:
      return H5T_STD_I64LE;
    case ColumnType::f32:
      return H5T_IEEE_F32LE;
    default:
      return H5T_IEEE_F64LE;
  }
}

hid_t make_row_type(const TableSpec& spec) {
  const hid_t row = H5Tcreate(H5T_COMPOUND, spec.row_size());
  std::size_t offset = 0;
  for (const Column& column : spec.columns) {
    if (column.type == ColumnType::text) {
      Handle text(make_text(column.text_size));
      H5Tinsert(row, column.name, offset, text);
    } else {
      H5Tinsert(row, column.name, offset, number_type(column.type));
    }
    offset += size_of(column);
  }
  return row;
}

herr_t write_text_attribute(hid_t object, std::string_view name, std::string_view value) {
  const std::string key(name);
  Handle type(make_text(std::max<std::size_t>(value.size(), 1)));
  Handle space(H5Screate(H5S_SCALAR));
  if (H5Aexists(object, key.c_str()) > 0 && H5Adelete(object, key.c_str()) < 0) return -1;
  Handle attribute(H5Acreate2(object, key.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT));
  if (attribute < 0) return -1;
  const std::string text = value.empty() ? std::string(1, '\0') : std::string(value);
  return H5Awrite(attribute, type, text.data());
}

// The latest format, which streaming needs, and identifiers that go with their file.
hid_t make_access() {
  const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110);
  H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
  return access;
}

}  // namespace

std::size_t TableSpec::row_size() const {
  std::size_t size = 0;
  for (const Column& column : columns) size += size_of(column);
  return size;
}

TableFile::TableFile(std::string path, std::vector<TableSpec> specs)
    : path_(std::move(path)), specs_(std::move(specs)), tables_(specs_.size()) {
  reserve_ = kMetadataSlack;
  for (std::size_t i = 0; i < specs_.size(); ++i) {
    Table& table = tables_[i];
    table.row_size = specs_[i].row_size();
    table.limit = specs_[i].chunk_rows;
    table.batch.resize(table.row_size * table.limit);
    reserve_ += table.batch.size();
  }
}

TableFile::~TableFile() { abandon(); }

Result<std::unique_ptr<TableFile>> TableFile::create(std::string path, std::vector<TableSpec> specs) {
  const Quiet quiet;
  std::unique_ptr<TableFile> file(new TableFile(std::move(path), std::move(specs)));
  if (Result<> made = file->make(); !made) {
    if (file->file_ >= 0) ::unlink(file->path_.c_str());  // nothing is in it
    file->abandon();
    return tl::unexpected(made.error());
  }
  return file;
}

Result<> TableFile::make() {
  // Opened by hand first: the operating system's reason is clearer than HDF5's.
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0) return fail(ErrorCode::io, "cannot write " + path_ + ": " + std::strerror(errno));
  Handle access(make_access());
  file_ = H5Fcreate(path_.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access);
  if (file_ < 0) return broken("write");
  if (!room_for(reserve_)) return tl::unexpected(full_disk());
  for (std::size_t i = 0; i < specs_.size(); ++i) {
    if (Result<> made = make_table(specs_[i], tables_[i]); !made) return made;
  }
  return sync();
}

Result<> TableFile::make_table(const TableSpec& spec, Table& table) {
  table.type = make_row_type(spec);
  const hsize_t none = 0, unlimited = H5S_UNLIMITED, chunk = spec.chunk_rows;
  Handle space(H5Screate_simple(1, &none, &unlimited));
  Handle layout(H5Pcreate(H5P_DATASET_CREATE));
  H5Pset_chunk(layout, 1, &chunk);
  H5Pset_shuffle(layout);
  H5Pset_deflate(layout, 1);
  table.dataset = H5Dcreate2(file_, spec.name, table.type, space, H5P_DEFAULT, layout, H5P_DEFAULT);
  if (table.dataset < 0) return broken("write");
  if (write_text_attribute(table.dataset, "about", spec.about) < 0) return broken("write");
  return {};
}

Result<> TableFile::set_attribute(std::string_view name, std::string_view value) {
  const Quiet quiet;
  MC_ASSERT(takes_attributes());
  if (!room_for(value.size() + reserve_)) return tl::unexpected(full_disk());
  if (write_text_attribute(file_, name, value) < 0) {
    auto error = broken("write");
    abandon();
    return error;
  }
  return {};
}

Result<> TableFile::start_streaming() {
  for (Table& table : tables_) H5Dclose(table.dataset);  // they must be opened again in the new mode
  if (H5Fflush(file_, H5F_SCOPE_GLOBAL) < 0 || H5Fstart_swmr_write(file_) < 0) return broken("write");
  for (std::size_t i = 0; i < tables_.size(); ++i) {
    tables_[i].dataset = H5Dopen2(file_, specs_[i].name, H5P_DEFAULT);
    if (tables_[i].dataset < 0) return broken("write");
  }
  streaming_ = true;
  return {};
}

Result<> TableFile::write_batch(std::size_t index) {
  const Quiet quiet;
  if (file_ < 0) return fail(ErrorCode::io, path_ + " is closed");
  if (!room_for(pending() + reserve_)) return tl::unexpected(full_disk());
  Result<> done = [&]() -> Result<> {
    for (std::size_t i = 0; i < tables_.size(); ++i) {
      if (specs_[i].leads || i == index) {
        if (Result<> written = append(tables_[i]); !written) return written;
      }
    }
    return unsynced_ >= kSyncEvery ? sync() : Result<>{};
  }();
  if (!done) abandon();
  return done;
}

Result<> TableFile::append(Table& table) {
  if (table.rows == 0) return {};
  if (!streaming_) {
    if (Result<> started = start_streaming(); !started) return started;
  }
  const hsize_t start = table.written, count = table.rows, end = start + count;
  if (H5Dset_extent(table.dataset, &end) < 0) return broken("write");
  Handle memory(H5Screate_simple(1, &count, nullptr));
  Handle space(H5Dget_space(table.dataset));
  if (H5Sselect_hyperslab(space, H5S_SELECT_SET, &start, nullptr, &count, nullptr) < 0 ||
      H5Dwrite(table.dataset, table.type, memory, space, H5P_DEFAULT, table.batch.data()) < 0) {
    return broken("write");
  }
  const auto chunk = static_cast<std::uint32_t>(table.batch.size() / table.row_size);
  table.written = end;
  table.rows = 0;
  table.limit = chunk - static_cast<std::uint32_t>(end % chunk);
  unsynced_ += count * table.row_size;
  return {};
}

std::uint64_t TableFile::pending() const {
  std::uint64_t bytes = 0;
  for (const Table& table : tables_) bytes += table.rows * table.row_size;
  return bytes;
}

Result<> TableFile::append_all() {
  for (const bool leads : {true, false}) {
    for (std::size_t i = 0; i < tables_.size(); ++i) {
      if (specs_[i].leads != leads) continue;
      if (Result<> written = append(tables_[i]); !written) return written;
    }
  }
  return {};
}

Result<> TableFile::sync() {
  unsynced_ = 0;
  if (H5Fflush(file_, H5F_SCOPE_GLOBAL) < 0) return broken("write");
  reserved_until_ = 0;  // HDF5 may have cut the file to its size, and the promise with it
  return {};
}

Result<> TableFile::flush() {
  const Quiet quiet;
  if (file_ < 0) return fail(ErrorCode::io, path_ + " is closed");
  if (!room_for(pending() + reserve_)) return tl::unexpected(full_disk());
  Result<> done = [&]() -> Result<> {
    if (Result<> written = append_all(); !written) return written;
    return sync();
  }();
  if (!done) abandon();
  return done;
}

Result<> TableFile::close(const Attributes& attributes) {
  const Quiet quiet;
  if (file_ < 0) return {};
  Result<> done = [&]() -> Result<> {
    if (Result<> written = append_all(); !written) return written;
    if (Result<> closed = close_file(); !closed) return closed;
    // Attributes cannot be added while streaming, so the file is opened once more in the ordinary mode.
    Handle access(make_access());
    file_ = H5Fopen(path_.c_str(), H5F_ACC_RDWR, access);
    if (file_ < 0) return broken("finish");
    for (const auto& [name, value] : attributes) {
      if (write_text_attribute(file_, name, value) < 0) return broken("finish");
    }
    return close_file();
  }();
  abandon();
  return done;
}

Result<> TableFile::close_file() {
  for (Table& table : tables_) {
    if (table.dataset >= 0) H5Dclose(table.dataset);
    table.dataset = -1;
  }
  const hid_t file = std::exchange(file_, -1);
  if (H5Fclose(file) < 0) return broken("close");
  return {};
}

void TableFile::abandon() {
  const Quiet quiet;
  for (Table& table : tables_) {
    if (table.dataset >= 0) H5Dclose(table.dataset);
    if (table.type >= 0) H5Tclose(table.type);
    table.dataset = table.type = -1;
  }
  if (file_ >= 0) H5Fclose(file_);
  file_ = -1;
  if (descriptor_ >= 0) {
    struct stat status {};
    // Gives back the room that was reserved behind the end.
    if (::fstat(descriptor_, &status) == 0 && ::ftruncate(descriptor_, status.st_size) != 0) errno = 0;
    ::close(descriptor_);
  }
  descriptor_ = -1;
}

// Whether the disk has promised that `bytes` more can be written. A promise, where the file system gives one:
// other processes may fill the disk meanwhile.
bool TableFile::room_for(std::uint64_t bytes) {
  hsize_t size = 0;
  if (H5Fget_filesize(file_, &size) < 0) return false;
  const std::uint64_t need = size + bytes;
  rlimit limit{};
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && need > limit.rlim_cur) {
    return false;
  }
  if (need <= reserved_until_) return true;
  for (const std::uint64_t ahead : {kReserveAhead, std::uint64_t{0}}) {
    const auto length = static_cast<off_t>(bytes + ahead);
    if (::fallocate(descriptor_, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(size), length) == 0) {
      reserved_until_ = need + ahead;
      return true;
    }
    if (errno != ENOSPC && errno != EDQUOT &&
        errno != EFBIG) {  // the file system does not promise: ask how much is free
      struct statvfs free {};
      if (::fstatvfs(descriptor_, &free) != 0) return true;
      return static_cast<std::uint64_t>(free.f_bavail) * free.f_frsize >= bytes;
    }
  }
  return false;
}

Result<std::vector<std::uint8_t>> TableFile::read_rows(const std::string& path, const char* table) {
  const Quiet quiet;
  Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT));
  Handle data(file < 0 ? -1 : H5Dopen2(file, table, H5P_DEFAULT));
  if (data < 0) return fail(ErrorCode::io, "cannot read " + path + ": " + last_error());
  Handle type(H5Dget_type(data));
  Handle space(H5Dget_space(data));
  std::vector<std::uint8_t> rows(H5Tget_size(type) *
                                 static_cast<std::size_t>(H5Sget_simple_extent_npoints(space)));
  if (!rows.empty() && H5Dread(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows.data()) < 0) {
    return fail(ErrorCode::io, "cannot read " + path + ": " + last_error());
  }
  return rows;
}

Result<std::string> TableFile::read_attribute(const std::string& path, const char* name) {
  const Quiet quiet;
  Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT));
  Handle attribute(file < 0 ? -1 : H5Aopen(file, name, H5P_DEFAULT));
  if (attribute < 0) return fail(ErrorCode::io, "cannot read " + path + ": " + last_error());
  Handle type(H5Aget_type(attribute));
  std::string text(H5Tget_size(type), '\0');
  if (H5Aread(attribute, type, text.data()) < 0)
    return fail(ErrorCode::io, "cannot read " + path + ": " + last_error());
  return text;
}

Error TableFile::full_disk() const {
  return {ErrorCode::io, "disk full: " + path_ + " (what was recorded so far is kept)"};
}

tl::unexpected<Error> TableFile::broken(std::string_view doing) const {
  return fail(ErrorCode::io, "cannot " + std::string(doing) + " " + path_ + ": " + last_error());
}

}  // namespace mesocosm
