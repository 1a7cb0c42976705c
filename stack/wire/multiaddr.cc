// One table of protocols says how each component's value is read from text, checked in binary, and printed.
// Checks are strict enough that text and binary stand for each other: decode(b) prints to a text that parses
// to b.
#include "stack/wire/multiaddr.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "stack/base/assert.h"
#include "stack/base/byte_writer.h"
#include "stack/wire/multibase.h"
#include "stack/wire/multihash.h"
#include "stack/wire/varint.h"

namespace mesocosm {
namespace {

constexpr std::size_t kMaxAddressText =
    10 * Multiaddr::kMaxSize;  // "/p2p-websocket-star" is the longest text for its bytes, which are two

// A kind of value. Texts are what stands between two slashes, except that a path is the rest of the address.
struct ValueKind {
  bool (*parse)(std::string_view text, ByteWriter& out);  // appends the binary value
  bool (*valid)(ByteView value);
  std::string (*print)(ByteView value);
};

std::optional<std::uint64_t> parse_decimal(std::string_view text, std::uint64_t limit) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > limit) return std::nullopt;
  return value;
}

std::uint64_t read_big_endian(ByteView value) {
  std::uint64_t number = 0;
  for (std::uint8_t byte : value) number = number << 8 | byte;
  return number;
}

bool anything(ByteView) { return true; }  // where the size alone decides

template <std::size_t Width>
bool parse_number(std::string_view text, ByteWriter& out) {
  const auto value = parse_decimal(text, Width == 8 ? UINT64_MAX : (std::uint64_t{1} << Width * 8 % 64) - 1);
  if (!value) return false;
  for (std::size_t i = Width; i-- > 0;) out.put(static_cast<std::uint8_t>(*value >> (8 * i)));
  return true;
}
std::string print_number(ByteView value) { return std::to_string(read_big_endian(value)); }

bool parse_ip(std::string_view text, bool v4, ByteWriter& out) {
  const Result<IpAddress> ip = IpAddress::parse(text);
  if (!ip || ip->is_v4() != v4) return false;
  out.put(ByteView(ip->octets()).first(v4 ? 4 : 16));
  return true;
}
bool parse_ip4(std::string_view text, ByteWriter& out) { return parse_ip(text, true, out); }
bool parse_ip6(std::string_view text, ByteWriter& out) { return parse_ip(text, false, out); }

IpAddress to_ip(ByteView value) {
  if (value.size() == 4) return IpAddress::v4(static_cast<std::uint32_t>(read_big_endian(value)));
  std::array<std::uint8_t, 16> octets;
  std::copy(value.begin(), value.end(), octets.begin());
  return IpAddress::v6(octets);
}
std::string print_ip(ByteView value) { return to_ip(value).to_string(); }

// Domain names and zones: any visible octets, other languages' included, so that they stay one component in
// text.
bool valid_name(ByteView value) {
  return !value.empty() && std::all_of(value.begin(), value.end(),
                                       [](std::uint8_t c) { return c > ' ' && c != '/' && c != 0x7f; });
}
bool parse_name(std::string_view text, ByteWriter& out) {
  out.put(text);
  return true;
}
std::string print_name(ByteView value) { return std::string(as_text(value)); }

bool valid_path(ByteView value) {
  return value.size() > 1 && value.front() == '/' && value.back() != '/' &&
         std::find(value.begin(), value.end(), 0) == value.end();
}
bool parse_path(std::string_view text, ByteWriter& out) {
  out.put(std::uint8_t{'/'});
  out.put(text);
  return true;
}
std::string print_path(ByteView value) { return std::string(as_text(value.subspan(1))); }

bool parse_peer(std::string_view text, ByteWriter& out) {
  const Result<PeerId> peer = PeerId::parse(text);
  if (peer) out.put(peer->bytes());
  return peer.has_value();
}
bool valid_peer(ByteView value) { return PeerId::decode(value).has_value(); }
std::string print_peer(ByteView value) { return PeerId::decode(value)->to_string(); }

bool parse_certhash(std::string_view text, ByteWriter& out) {
  const Result<Bytes> hash = decode_multibase(text);
  if (hash) out.put(*hash);
  return hash.has_value();
}
bool valid_certhash(ByteView value) { return decode_multihash(value).has_value(); }
std::string print_certhash(ByteView value) { return encode_multibase(Base::base64url, value); }

// Tor's addresses: base32 of a hash or key, a colon and a port.
template <std::size_t Size>
bool parse_onion(std::string_view text, ByteWriter& out) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return false;
  const Result<Bytes> host = decode_base(Base::base32, text.substr(0, colon));
  if (!host || host->size() != Size - 2) return false;
  out.put(*host);
  return parse_number<2>(text.substr(colon + 1), out);
}
bool valid_onion(ByteView value) { return read_big_endian(value.last(2)) != 0; }
std::string print_onion(ByteView value) {
  return encode_base(Base::base32, value.first(value.size() - 2)) + ":" + print_number(value.last(2));
}

// I2P's destinations: base64 with its own two last digits, padded.
std::string exchange(std::string text, char from_a, char to_a, char from_b, char to_b) {
  for (char& c : text) c = c == from_a ? to_a : c == from_b ? to_b : c;
  return text;
}
bool parse_garlic(std::string_view text, ByteWriter& out) {
  if (text.size() % 4 != 0 || text.find_first_of("+/") != std::string_view::npos) return false;
  for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  const Result<Bytes> destination =
      decode_base(Base::base64, exchange(std::string(text), '-', '+', '~', '/'));
  if (destination) out.put(*destination);
  return destination.has_value();
}
bool valid_garlic(ByteView value) { return value.size() >= 386; }
std::string print_garlic(ByteView value) {
  std::string text = exchange(encode_base(Base::base64, value), '+', '-', '/', '~');
  text.resize((text.size() + 3) / 4 * 4, '=');
  return text;
}

// I2P's names: base32 of a hash, or of more for those that hide their services.
bool parse_garlic_name(std::string_view text, ByteWriter& out) {
  const Result<Bytes> name = decode_base(Base::base32, text);
  if (name) out.put(*name);
  return name.has_value();
}
bool valid_garlic_name(ByteView value) { return value.size() == 32 || value.size() >= 35; }
std::string print_garlic_name(ByteView value) { return encode_base(Base::base32, value); }

// Paths of HTTP resources: a URI's path segment in text (RFC 3986, section 3.3), anything but nothing in binary.
bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-._~").find(c) != std::string_view::npos;
}
bool parse_http_path(std::string_view text, ByteWriter& out) {
  while (!text.empty()) {
    if (text[0] == '%') {
      const Result<Bytes> escaped = decode_base(Base::base16, text.substr(1, 2));
      if (!escaped || escaped->size() != 1) return false;
      out.put(*escaped);
      text.remove_prefix(3);
      continue;
    }
    if (!is_unreserved(text[0]) && std::string_view("!$&'()*+,;=:@").find(text[0]) == std::string_view::npos)
      return false;
    out.put(static_cast<std::uint8_t>(text[0]));
    text.remove_prefix(1);
  }
  return true;
}
bool valid_http_path(ByteView value) { return !value.empty(); }
std::string print_http_path(ByteView value) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string text;
  for (const std::uint8_t byte : value) {
    const char c = static_cast<char>(byte);
    if (is_unreserved(c)) {
      text += c;
    } else {
      text += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return text;
}

constexpr ValueKind kNumber8{parse_number<1>, anything, print_number};
constexpr ValueKind kPort{parse_number<2>, anything, print_number};
constexpr ValueKind kNumber64{parse_number<8>, anything, print_number};
constexpr ValueKind kIp4{parse_ip4, anything, print_ip};
constexpr ValueKind kIp6{parse_ip6, anything, print_ip};
constexpr ValueKind kName{parse_name, valid_name, print_name};
constexpr ValueKind kPath{parse_path, valid_path, print_path};
constexpr ValueKind kPeer{parse_peer, valid_peer, print_peer};
constexpr ValueKind kCerthash{parse_certhash, valid_certhash, print_certhash};
constexpr ValueKind kOnion{parse_onion<12>, valid_onion, print_onion};
constexpr ValueKind kOnion3{parse_onion<37>, valid_onion, print_onion};
constexpr ValueKind kGarlic{parse_garlic, valid_garlic, print_garlic};
constexpr ValueKind kGarlicName{parse_garlic_name, valid_garlic_name, print_garlic_name};
constexpr ValueKind kHttpPath{parse_http_path, valid_http_path, print_http_path};

constexpr int kVariable = -1;  // a varint length before the value

struct AddressProtocol {
  AddressCode code;
  std::string_view name;
  int size;                         // the value's bytes
  const ValueKind* kind = nullptr;  // null: no value
};

using enum AddressCode;

// By code; of two names the first is printed.
constexpr std::array kProtocols{
    AddressProtocol{ip4, "ip4", 4, &kIp4},
    AddressProtocol{tcp, "tcp", 2, &kPort},
    AddressProtocol{dccp, "dccp", 2, &kPort},
    AddressProtocol{ip6, "ip6", 16, &kIp6},
    AddressProtocol{ip6zone, "ip6zone", kVariable, &kName},
    AddressProtocol{ipcidr, "ipcidr", 1, &kNumber8},
    AddressProtocol{dns, "dns", kVariable, &kName},
    AddressProtocol{dns4, "dns4", kVariable, &kName},
    AddressProtocol{dns6, "dns6", kVariable, &kName},
    AddressProtocol{dnsaddr, "dnsaddr", kVariable, &kName},
    AddressProtocol{sctp, "sctp", 2, &kPort},
    AddressProtocol{udp, "udp", 2, &kPort},
    AddressProtocol{p2p_webrtc_star, "p2p-webrtc-star", 0},
    AddressProtocol{p2p_webrtc_direct, "p2p-webrtc-direct", 0},
    AddressProtocol{p2p_stardust, "p2p-stardust", 0},
    AddressProtocol{webrtc_direct, "webrtc-direct", 0},
    AddressProtocol{webrtc, "webrtc", 0},
    AddressProtocol{p2p_circuit, "p2p-circuit", 0},
    AddressProtocol{udt, "udt", 0},
    AddressProtocol{utp, "utp", 0},
    AddressProtocol{unix_path, "unix", kVariable, &kPath},
    AddressProtocol{p2p, "p2p", kVariable, &kPeer},
    AddressProtocol{p2p, "ipfs", kVariable, &kPeer},
    AddressProtocol{https, "https", 0},
    AddressProtocol{onion, "onion", 12, &kOnion},
    AddressProtocol{onion3, "onion3", 37, &kOnion3},
    AddressProtocol{garlic64, "garlic64", kVariable, &kGarlic},
    AddressProtocol{garlic32, "garlic32", kVariable, &kGarlicName},
    AddressProtocol{tls, "tls", 0},
    AddressProtocol{sni, "sni", kVariable, &kName},
    AddressProtocol{noise, "noise", 0},
    AddressProtocol{quic, "quic", 0},
    AddressProtocol{quic_v1, "quic-v1", 0},
    AddressProtocol{webtransport, "webtransport", 0},
    AddressProtocol{certhash, "certhash", kVariable, &kCerthash},
    AddressProtocol{ws, "ws", 0},
    AddressProtocol{wss, "wss", 0},
    AddressProtocol{p2p_websocket_star, "p2p-websocket-star", 0},
    AddressProtocol{http, "http", 0},
    AddressProtocol{http_path, "http-path", kVariable, &kHttpPath},
    AddressProtocol{memory, "memory", 8, &kNumber64},  // of any length in the table; go and rust have 8 bytes
};

bool is_path(const AddressProtocol& protocol) { return protocol.kind == &kPath; }

const AddressProtocol* find_protocol(std::string_view name) {
  const auto* found = std::find_if(kProtocols.begin(), kProtocols.end(),
                                   [&](const AddressProtocol& protocol) { return protocol.name == name; });
  return found == kProtocols.end() ? nullptr : found;
}

const AddressProtocol* find_protocol(std::uint64_t code) {
  const auto* found = std::lower_bound(kProtocols.begin(), kProtocols.end(), code,
                                       [](const AddressProtocol& protocol, std::uint64_t wanted) {
                                         return static_cast<std::uint64_t>(protocol.code) < wanted;
                                       });
  return found == kProtocols.end() || static_cast<std::uint64_t>(found->code) != code ? nullptr : found;
}

struct Component {
  const AddressProtocol* protocol = nullptr;
  ByteView value;
};

// The component at the front of `rest`, which moves on; its value is not looked at yet.
Result<Component> read_component(ByteView& rest) {
  const Varint code = decode_varint(rest);
  if (!code.ok()) return fail(ErrorCode::bad_encoding, "multiaddr: bad component code");
  const AddressProtocol* protocol = find_protocol(code.value);
  if (protocol == nullptr)
    return fail(ErrorCode::unsupported, "multiaddr: component " + std::to_string(code.value));
  rest = rest.subspan(code.length);
  std::uint64_t size = protocol->size < 0 ? 0 : static_cast<std::uint64_t>(protocol->size);
  if (protocol->size == kVariable) {
    const Varint length = decode_varint(rest);
    if (!length.ok()) return fail(ErrorCode::bad_encoding, "multiaddr: bad component length");
    size = length.value;
    rest = rest.subspan(length.length);
  }
  if (size > rest.size()) return fail(ErrorCode::bad_encoding, "multiaddr: cut component");
  const ByteView value = rest.first(size);
  rest = rest.subspan(size);
  return Component{protocol, value};
}

Result<> validate(ByteView binary) {
  if (binary.empty()) return fail(ErrorCode::bad_encoding, "multiaddr: empty");
  if (binary.size() > Multiaddr::kMaxSize) return fail(ErrorCode::too_large, "multiaddr: too long");
  while (!binary.empty()) {
    const Result<Component> component = read_component(binary);
    if (!component) return tl::unexpected(component.error());
    const AddressProtocol& protocol = *component->protocol;
    const bool good = protocol.kind == nullptr || protocol.kind->valid(component->value);
    if (!good || (is_path(protocol) && !binary.empty()))
      return fail(ErrorCode::bad_encoding, "multiaddr: bad /" + std::string(protocol.name));
  }
  return {};
}

std::string_view take_until_slash(std::string_view& text) {
  const std::size_t slash = text.find('/');
  const std::string_view token = text.substr(0, slash);
  text.remove_prefix(slash == std::string_view::npos ? text.size() : slash + 1);
  return token;
}

// Appends the component at the front of `text` (behind its slash), which moves on.
Result<> parse_component(std::string_view& text, ByteWriter& out) {
  const std::string name(take_until_slash(text));
  const AddressProtocol* protocol = find_protocol(name);
  if (protocol == nullptr) return fail(ErrorCode::unsupported, "multiaddr: component /" + name);
  append_varint(out, static_cast<std::uint64_t>(protocol->code));
  if (protocol->kind == nullptr) return {};
  const std::string_view value = is_path(*protocol) ? std::exchange(text, {}) : take_until_slash(text);
  const std::size_t start = out.size();
  if (!protocol->kind->parse(value, out) || !protocol->kind->valid(out.view().subspan(start)))
    return fail(ErrorCode::bad_encoding, "multiaddr: bad /" + name + " value: " + std::string(value));
  if (protocol->size == kVariable) {
    ByteWriter length;
    append_varint(length, out.size() - start);
    const MutableByteView gap = out.insert(start, length.size());
    std::copy(length.view().begin(), length.view().end(), gap.begin());
  }
  return {};
}

}  // namespace

Result<Multiaddr> Multiaddr::parse(std::string_view text) {
  if (text.size() > kMaxAddressText) return fail(ErrorCode::too_large, "multiaddr: too long");
  while (text.ends_with('/')) text.remove_suffix(1);
  if (!text.starts_with('/'))
    return fail(ErrorCode::bad_encoding, "multiaddr: must begin with a slash and a component");
  text.remove_prefix(1);
  ByteWriter out;
  while (!text.empty()) {
    if (const Result<> good = parse_component(text, out); !good) return tl::unexpected(good.error());
  }
  if (out.size() > kMaxSize) return fail(ErrorCode::too_large, "multiaddr: too long");
  Multiaddr address;
  address.binary_ = Bytes::copy(out.view());
  return address;
}

Result<Multiaddr> Multiaddr::decode(ByteView binary) {
  if (const Result<> good = validate(binary); !good) return tl::unexpected(good.error());
  Multiaddr address;
  address.binary_ = Bytes::copy(binary);
  return address;
}

Result<Multiaddr> Multiaddr::decode(const Bytes& binary) {
  if (const Result<> good = validate(binary); !good) return tl::unexpected(good.error());
  Multiaddr address;
  address.binary_ = binary;
  return address;
}

namespace {

std::size_t ip_size(const IpAddress& ip) { return ip.is_v4() ? 4 : 16; }

void append_ip(ByteWriter& out, const IpAddress& ip) {
  append_varint(out, static_cast<std::uint64_t>(ip.is_v4() ? ip4 : ip6));
  out.put(ByteView(ip.octets()).first(ip_size(ip)));
}

Bytes encode_endpoint(const Endpoint& endpoint, AddressCode transport) {
  ByteWriter out(1 + ip_size(endpoint.ip) + varint_size(static_cast<std::uint64_t>(transport)) + 2);
  append_ip(out, endpoint.ip);
  append_varint(out, static_cast<std::uint64_t>(transport));
  out.put_u16_be(endpoint.port);
  return out.take();
}

// Of a leading address and port, leaving `part` on the port.
std::optional<Endpoint> leading_endpoint(MultiaddrReader& part, AddressCode transport) {
  if (!part.next()) return std::nullopt;
  const std::optional<IpAddress> ip = part.ip();
  if (!ip || !part.next() || part.code() != transport) return std::nullopt;
  return Endpoint{*ip, part.port()};
}

}  // namespace

Multiaddr Multiaddr::tcp(const Endpoint& endpoint) {
  Multiaddr address;
  address.binary_ = encode_endpoint(endpoint, AddressCode::tcp);
  return address;
}

Multiaddr Multiaddr::websocket(const Endpoint& endpoint) {
  ByteWriter out;
  out.put(encode_endpoint(endpoint, AddressCode::tcp));
  append_varint(out, static_cast<std::uint64_t>(ws));
  Multiaddr address;
  address.binary_ = out.take();
  return address;
}

Multiaddr Multiaddr::udp(const Endpoint& endpoint) {
  Multiaddr address;
  address.binary_ = encode_endpoint(endpoint, AddressCode::udp);
  return address;
}

std::string Multiaddr::to_string() const {
  std::string text;
  for (ByteView rest = binary_; !rest.empty();) {
    const Component component = *read_component(rest);
    text += '/';
    text += component.protocol->name;
    if (component.protocol->kind == nullptr) continue;
    text += '/';
    text += component.protocol->kind->print(component.value);
  }
  return text;
}

std::optional<Endpoint> Multiaddr::tcp_endpoint() const {
  MultiaddrReader part(*this);
  const std::optional<Endpoint> endpoint = leading_endpoint(part, AddressCode::tcp);
  if (endpoint && part.next() && (part.code() != p2p || part.next())) return std::nullopt;
  return endpoint;
}

std::optional<Endpoint> Multiaddr::udp_endpoint() const {
  MultiaddrReader part(*this);
  return leading_endpoint(part, AddressCode::udp);
}

std::optional<PeerId> Multiaddr::peer() const {
  ByteView last;
  for (MultiaddrReader part(*this); part.next();) {
    if (part.code() == p2p) last = part.value();
    if (part.code() == p2p_circuit) last = {};
  }
  if (last.empty()) return std::nullopt;
  return *PeerId::decode(last);
}

Multiaddr Multiaddr::with_peer(const PeerId& peer) const {
  MC_ASSERT(!peer.empty());
  ByteWriter out(binary_.size() + 3 + peer.bytes().size());
  out.put(binary_);
  append_varint(out, static_cast<std::uint64_t>(p2p));
  append_varint(out, peer.bytes().size());
  out.put(peer.bytes());
  Multiaddr address;
  address.binary_ = out.take();
  return address;
}

Multiaddr Multiaddr::without_peer() const {
  std::size_t start = 0;  // of the component being looked at
  for (MultiaddrReader part(*this); part.next(); start = binary_.size() - part.rest().size()) {
    if (part.code() != p2p || !part.rest().empty()) continue;
    Multiaddr address;
    address.binary_ = start == 0 ? Bytes() : binary_.slice(0, start);
    return address;
  }
  return *this;
}

Multiaddr Multiaddr::with_ip(const IpAddress& ip) const {
  MultiaddrReader first(*this);
  if (!first.next() || !first.ip()) return *this;
  ByteWriter out(1 + ip_size(ip) + first.rest().size());
  append_ip(out, ip);
  out.put(first.rest());
  Multiaddr address;
  address.binary_ = out.take();
  return address;
}

bool Multiaddr::contains(AddressCode code) const {
  for (MultiaddrReader part(*this); part.next();)
    if (part.code() == code) return true;
  return false;
}

bool operator<(const Multiaddr& a, const Multiaddr& b) {
  return std::lexicographical_compare(a.binary_.begin(), a.binary_.end(), b.binary_.begin(), b.binary_.end());
}

bool MultiaddrReader::next() {
  if (rest_.empty()) return false;
  const Component component = *read_component(rest_);
  code_ = component.protocol->code;
  value_ = component.value;
  return true;
}

std::uint16_t MultiaddrReader::port() const {
  MC_ASSERT(value_.size() == 2);
  return static_cast<std::uint16_t>(read_big_endian(value_));
}

std::optional<IpAddress> MultiaddrReader::ip() const {
  if (code_ != ip4 && code_ != ip6) return std::nullopt;
  return to_ip(value_);
}

}  // namespace mesocosm
