#include "stack/secure/tls_certificate.h"

#include <algorithm>
#include <optional>
#include <string>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "stack/base/assert.h"
#include "stack/base/byte_writer.h"

namespace mesocosm {
namespace {

constexpr std::string_view kCertificatePrefix = "libp2p-tls-handshake:";
constexpr std::uint8_t kExtensionId[] = {0x2b, 6, 1, 4, 1, 0x83, 0xa2, 0x5a, 1, 1};  // 1.3.6.1.4.1.53594.1.1
constexpr const char* kExtensionText = "1.3.6.1.4.1.53594.1.1";
constexpr const char* kCommonName = "libp2p";
constexpr std::int64_t kDay = 24 * 60 * 60;
constexpr std::int64_t kLifetime = 36'525 * kDay;  // a hundred years
constexpr std::uint8_t kSequence = 0x30, kOctetString = 4;
constexpr int kMinRsaBits = 2048, kMaxRsaBits = 8192;

struct Asn1Free {
  void operator()(ASN1_OBJECT* object) const { ASN1_OBJECT_free(object); }
  void operator()(ASN1_STRING* string) const { ASN1_STRING_free(string); }
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
};
using ObjectPtr = std::unique_ptr<ASN1_OBJECT, Asn1Free>;
using StringPtr = std::unique_ptr<ASN1_STRING, Asn1Free>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Asn1Free>;

tl::unexpected<Error> refuse(ErrorCode code, std::string_view what) {
  return fail(code, "tls: the certificate " + std::string(what));
}

// --- DER, as far as the extension needs it

void put_der(ByteWriter& out, std::uint8_t tag, ByteView content) {
  MC_ASSERT(content.size() <= UINT16_MAX);
  out.put(tag);
  if (content.size() < 0x80) {
    out.put(static_cast<std::uint8_t>(content.size()));
  } else {
    out.put(0x82);
    out.put_u16_be(static_cast<std::uint16_t>(content.size()));
  }
  out.put(content);
}

// Takes one element off `in`: its content, if it has this tag and its length is true.
std::optional<ByteView> take_der(ByteView& in, std::uint8_t tag) {
  if (in.size() < 2 || in[0] != tag) return std::nullopt;
  std::size_t length = in[1];
  in = in.subspan(2);
  if (length >= 0x80) {
    const std::size_t size = length - 0x80;
    if (size == 0 || size > 2 || in.size() < size) return std::nullopt;
    length = size == 1 ? in[0] : in[0] << 8 | in[1];
    if (length < (size == 1 ? 0x80 : 0x100)) return std::nullopt;
    in = in.subspan(size);
  }
  if (in.size() < length) return std::nullopt;
  const ByteView content = in.first(length);
  in = in.subspan(length);
  return content;
}

Bytes encode_signed_key(ByteView public_key, ByteView signature) {
  ByteWriter fields, whole;
  put_der(fields, kOctetString, public_key);
  put_der(fields, kOctetString, signature);
  put_der(whole, kSequence, fields.view());
  return whole.take();
}

std::string signed_text(ByteView subject_public_key_info) {
  return std::string(kCertificatePrefix) + std::string(as_text(subject_public_key_info));
}

Bytes subject_public_key_info(X509* certificate) {
  X509_PUBKEY* key = X509_get_X509_PUBKEY(certificate);
  const int size = i2d_X509_PUBKEY(key, nullptr);
  if (size <= 0) return {};
  return Bytes::build(static_cast<std::size_t>(size), [&](MutableByteView out) {
    unsigned char* at = out.data();
    i2d_X509_PUBKEY(key, &at);
  });
}

// --- Making one

void set_validity(X509* certificate, std::int64_t unix_seconds) {
  const StringPtr from(ASN1_TIME_set(nullptr, unix_seconds - kDay));
  const StringPtr to(ASN1_TIME_set(nullptr, unix_seconds + kLifetime));
  MC_ASSERT(X509_set1_notBefore(certificate, from.get()) == 1);
  MC_ASSERT(X509_set1_notAfter(certificate, to.get()) == 1);
}

void set_names(X509* certificate, TlsRandom& random) {
  std::array<std::uint8_t, 8> serial;
  random.fill(serial);
  std::uint64_t number = 0;
  for (std::uint8_t byte : serial) number = number << 8 | byte;
  MC_ASSERT(ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), (number >> 1) | 1) == 1);
  for (X509_NAME* name : {X509_get_subject_name(certificate), X509_get_issuer_name(certificate)}) {
    const auto* text = reinterpret_cast<const unsigned char*>(kCommonName);
    MC_ASSERT(X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC, text, -1, -1, 0) == 1);
  }
}

void add_extension(X509* certificate, const KeyPair& identity) {
  const Bytes info = subject_public_key_info(certificate);
  const Bytes value =
      encode_signed_key(identity.public_key().serialized(), identity.sign(as_bytes(signed_text(info))));
  const ObjectPtr id(OBJ_txt2obj(kExtensionText, 1));
  const StringPtr octets(ASN1_OCTET_STRING_new());
  MC_ASSERT(ASN1_OCTET_STRING_set(octets.get(), value.data(), static_cast<int>(value.size())) == 1);
  const ExtensionPtr extension(X509_EXTENSION_create_by_OBJ(nullptr, id.get(), 0, octets.get()));
  MC_ASSERT(X509_add_ext(certificate, extension.get(), -1) == 1);
}

// --- Checking one

Result<void> check_validity(X509* certificate, std::int64_t unix_seconds) {
  time_t now = unix_seconds;
  const int from = X509_cmp_time(X509_get0_notBefore(certificate), &now);
  const int to = X509_cmp_time(X509_get0_notAfter(certificate), &now);
  if (from == 0 || to == 0) return refuse(ErrorCode::bad_encoding, "has a malformed time");
  if (from > 0) return refuse(ErrorCode::authentication, "is not valid yet");
  if (to < 0) return refuse(ErrorCode::authentication, "has expired");
  return {};
}

bool key_is_usable(EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_ED25519:
      return true;
    case EVP_PKEY_RSA:
      return EVP_PKEY_get_bits(key) >= kMinRsaBits && EVP_PKEY_get_bits(key) <= kMaxRsaBits;
    case EVP_PKEY_EC: {
      char name[32] = {};
      if (EVP_PKEY_get_group_name(key, name, sizeof(name), nullptr) != 1) return false;
      const std::string_view group(name);
      return group == "prime256v1" || group == "secp384r1" || group == "secp521r1";
    }
    default:
      return false;
  }
}

Result<void> check_self_signature(X509* certificate) {
  EVP_PKEY* key = X509_get0_pubkey(certificate);
  if (key == nullptr || !key_is_usable(key))
    return refuse(ErrorCode::unsupported, "has a type of key that is not supported");
  int digest = NID_undef;
  if (X509_get_signature_info(certificate, &digest, nullptr, nullptr, nullptr) != 1 || digest == NID_md5 ||
      digest == NID_sha1) {
    return refuse(ErrorCode::unsupported, "has a type of signature that is not supported");
  }
  if (X509_verify(certificate, key) != 1)
    return refuse(ErrorCode::authentication, "does not carry its own key's signature");
  return {};
}

// The content of the libp2p extension.
Result<ByteView> find_extension(X509* certificate) {
  std::optional<ByteView> found;
  for (int i = 0; i < X509_get_ext_count(certificate); ++i) {
    X509_EXTENSION* extension = X509_get_ext(certificate, i);
    const ASN1_OBJECT* id = X509_EXTENSION_get_object(extension);
    if (equal({OBJ_get0_data(id), OBJ_length(id)}, kExtensionId)) {
      if (found) return refuse(ErrorCode::bad_encoding, "has the libp2p extension twice");
      const ASN1_OCTET_STRING* value = X509_EXTENSION_get_data(extension);
      found = ByteView(ASN1_STRING_get0_data(value), static_cast<std::size_t>(ASN1_STRING_length(value)));
    } else if (X509_EXTENSION_get_critical(extension) != 0) {
      char text[64] = {};
      OBJ_obj2txt(text, sizeof(text), id, 1);
      return refuse(ErrorCode::unsupported, std::string("has the critical extension ") + text);
    }
  }
  if (!found) return refuse(ErrorCode::authentication, "has no libp2p extension");
  return *found;
}

Result<SecurePeer> check_signed_key(ByteView extension, X509* certificate) {
  const auto fields = take_der(extension, kSequence);
  ByteView rest = fields.value_or(ByteView{});
  const auto public_key = take_der(rest, kOctetString);
  const auto signature = take_der(rest, kOctetString);
  if (!fields || !extension.empty() || !public_key || !signature || !rest.empty())
    return refuse(ErrorCode::bad_encoding, "has a malformed libp2p extension");
  const auto key = PublicKey::decode(Bytes::copy(*public_key));
  if (!key) return refuse(key.error().code, "names no usable identity: " + key.error().detail);
  const std::string text = signed_text(subject_public_key_info(certificate));
  if (const auto verified = key->verify(as_bytes(text), *signature); !verified) {
    return refuse(verified.error().code,
                  "is not signed by the identity it names: " + verified.error().detail);
  }
  return SecurePeer{key->peer_id(), key->serialized()};
}

Result<SecurePeer> check(X509* certificate, std::int64_t unix_seconds) {
  if (i2d_X509(certificate, nullptr) > static_cast<int>(kTlsMaxCertificate))
    return refuse(ErrorCode::too_large, "is over 16 KiB");
  if (X509_get_version(certificate) != X509_VERSION_3)
    return refuse(ErrorCode::bad_encoding, "is not of version 3");
  const auto extension = find_extension(certificate);
  if (!extension) return tl::unexpected<Error>(extension.error());
  if (auto valid = check_validity(certificate, unix_seconds); !valid)
    return tl::unexpected<Error>(std::move(valid.error()));
  if (auto signature = check_self_signature(certificate); !signature)
    return tl::unexpected<Error>(std::move(signature.error()));
  return check_signed_key(*extension, certificate);
}

}  // namespace

TlsIdentity TlsIdentity::make(const KeyPair& identity, const SecuritySeed& seed, std::int64_t unix_seconds) {
  TlsRandom random(seed);
  const TlsRandomScope scope(random);
  KeyPtr key(EVP_PKEY_Q_keygen(tls_library(), nullptr, "EC", "P-256"));
  X509Ptr certificate(X509_new_ex(tls_library(), nullptr));
  MC_ASSERT(key != nullptr && certificate != nullptr);
  MC_ASSERT(X509_set_version(certificate.get(), X509_VERSION_3) == 1);
  set_names(certificate.get(), random);
  set_validity(certificate.get(), unix_seconds);
  MC_ASSERT(X509_set_pubkey(certificate.get(), key.get()) == 1);
  add_extension(certificate.get(), identity);
  MC_ASSERT(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0);
  return {std::move(certificate), std::move(key)};
}

Result<SecurePeer> check_tls_certificate(X509* certificate, std::int64_t unix_seconds) {
  auto peer = check(certificate, unix_seconds);
  ERR_clear_error();
  return peer;
}

Result<SecurePeer> decode_tls_certificate(ByteView der, std::int64_t unix_seconds) {
  if (der.size() > kTlsMaxCertificate) return refuse(ErrorCode::too_large, "is over 16 KiB");
  X509* decoded = X509_new_ex(tls_library(), nullptr);
  const unsigned char* at = der.data();
  const bool whole = d2i_X509(&decoded, &at, static_cast<long>(der.size())) != nullptr;
  const X509Ptr certificate(decoded);
  ERR_clear_error();
  if (!whole || at != der.data() + der.size()) return refuse(ErrorCode::bad_encoding, "does not decode");
  return check_tls_certificate(certificate.get(), unix_seconds);
}

}  // namespace mesocosm
