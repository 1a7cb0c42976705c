// Captures: what hosts see on their links, each in a pcapng file of its own, with the keys to read it if asked for.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/capture/pcapng.h"
#include "sim/net/path_model.h"
#include "stack/base/result.h"
#include "stack/env/clock.h"
#include "stack/secure/key_log.h"

namespace mesocosm::capture {

// One host's file. Packets are held back until the time moves on, because the keys that open one are known only after
// it was taken in, and have to stand before it.
class CaptureFile final : public KeyLog {
 public:
  // Error: io, naming the file.
  static Result<std::unique_ptr<CaptureFile>> open(const Clock& clock, const std::string& path,
                                                   const std::string& about);
  ~CaptureFile();

  void names(std::span<const std::pair<IpAddress, std::string>> names);
  void packet(Time at, PacketDirection direction, Bytes packet);  // at: now or later
  void on_secret(std::string_view line) override;
  // Writes what was held back until now; later calls do nothing. Error: io, naming the file, if anything could not be
  // written.
  Result<void> close();

 private:
  struct Held {
    PacketDirection direction;
    Bytes packet;
  };
  CaptureFile(const Clock& clock, std::string path, std::FILE* file)
      : clock_(clock), path_(std::move(path)), file_(file) {}
  void write_held(Time before);
  void write(const Bytes& block);

  const Clock& clock_;
  std::string path_;
  std::FILE* file_;  // null: closed
  std::multimap<Time, Held> held_;
  bool failed_ = false;
};

// The clock must outlive it.
class Captures {
 public:
  explicit Captures(const Clock& clock) : clock_(clock) {}

  // Opens FOLDER/node-HOST.pcapng; `keys`: with the secrets of the host's handshakes. Errors: io; bad_encoding for a
  // host that is captured already.
  Result<void> add(HostIndex host, const std::string& folder, const std::string& about, bool keys);
  // What addresses are called, in all files; once.
  void names(std::span<const std::pair<IpAddress, std::string>> names);

  bool wants(HostIndex host) const { return host < hosts_.size() && hosts_[host].file != nullptr; }
  // `at`: now or later. Packets of hosts that are not wanted are ignored.
  void packet(HostIndex host, Time at, PacketDirection direction, Bytes packet) {
    if (wants(host)) hosts_[host].file->packet(at, direction, std::move(packet));
  }
  KeyLog* key_log(HostIndex host) const {
    return wants(host) && hosts_[host].keys ? hosts_[host].file.get() : nullptr;
  }
  Time now() const { return clock_.now(); }

  // Error: io, of the first file that could not be written to its end.
  Result<void> close();

 private:
  struct Host {
    std::unique_ptr<CaptureFile> file;  // null: not captured
    bool keys = false;
  };

  const Clock& clock_;
  std::vector<Host> hosts_;
};

}  // namespace mesocosm::capture
