// KeyLog: who is told the secrets of handshakes, so that captures can be decrypted. Nobody is, unless a user asked for
// it.
#pragma once

#include <string_view>

namespace mesocosm {

class KeyLog {
 public:
  // A line of a key log as NSS, OpenSSL and Wireshark have it, without its end: a label, what the secret belongs to,
  // and the secret, the latter two in hexadecimal digits. Noise's labels: docs/captures.md. Called before anything
  // that the secret protects is sent.
  virtual void on_secret(std::string_view line) = 0;

 protected:
  ~KeyLog() = default;
};

}  // namespace mesocosm
