#include "sim/capture/captures.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace mesocosm::capture {

Result<std::unique_ptr<CaptureFile>> CaptureFile::open(const Clock& clock, const std::string& path,
                                                       const std::string& about) {
  std::FILE* const file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return fail(ErrorCode::io, "cannot write " + path + ": " + std::strerror(errno));
  std::unique_ptr<CaptureFile> opened(new CaptureFile(clock, path, file));
  opened->write(section_block(about));
  opened->write(interface_block("access", "access link of " + about));
  return opened;
}

// What was not closed ends here; the clock may be gone.
CaptureFile::~CaptureFile() {
  if (file_ != nullptr) std::fclose(file_);
}

void CaptureFile::names(std::span<const std::pair<IpAddress, std::string>> names) {
  write(name_block(names));
}

void CaptureFile::packet(Time at, PacketDirection direction, Bytes packet) {
  if (file_ == nullptr) return;
  write_held(clock_.now());
  held_.emplace(at, Held{direction, std::move(packet)});
}

void CaptureFile::on_secret(std::string_view line) {
  write_held(clock_.now());
  write(secrets_block(std::string(line) + '\n'));
}

void CaptureFile::write_held(Time before) {
  while (!held_.empty() && held_.begin()->first < before) {
    const auto& [at, held] = *held_.begin();
    const std::int64_t unix_nanoseconds = clock_.unix_nanoseconds() + (at - clock_.now()).count();
    write(packet_block(unix_nanoseconds, held.direction, held.packet));
    held_.erase(held_.begin());
  }
}

void CaptureFile::write(const Bytes& block) {
  if (file_ == nullptr) return;
  if (std::fwrite(block.data(), 1, block.size(), file_) != block.size()) failed_ = true;
}

Result<void> CaptureFile::close() {
  if (file_ == nullptr) return {};
  write_held(clock_.now() + Duration(1));
  if (std::fclose(std::exchange(file_, nullptr)) != 0) failed_ = true;
  held_.clear();
  return failed_ ? fail(ErrorCode::io, "cannot write all of " + path_) : Result<void>{};
}

Result<void> Captures::add(HostIndex host, const std::string& folder, const std::string& about, bool keys) {
  if (wants(host)) return fail(ErrorCode::bad_encoding, about + " is captured already");
  auto file = CaptureFile::open(clock_, folder + "/node-" + std::to_string(host) + ".pcapng", about);
  if (!file) return tl::unexpected<Error>(std::move(file.error()));
  if (host >= hosts_.size()) hosts_.resize(host + 1);
  hosts_[host] = {std::move(*file), keys};
  return {};
}

void Captures::names(std::span<const std::pair<IpAddress, std::string>> names) {
  for (Host& host : hosts_) {
    if (host.file != nullptr) host.file->names(names);
  }
}

Result<void> Captures::close() {
  Result<void> all;
  for (Host& host : hosts_) {
    if (host.file == nullptr) continue;
    if (auto closed = host.file->close(); !closed && all) all = std::move(closed);
  }
  return all;
}

}  // namespace mesocosm::capture
