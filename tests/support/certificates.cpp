#include "tests/support/certificates.hpp"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

namespace sluice::test {

namespace {

using certificate_ptr = std::shared_ptr<X509>;
using key_ptr = std::shared_ptr<EVP_PKEY>;

template <class T>
T* checked(T* made) {
  return made ? made : throw std::runtime_error{"OpenSSL has failed"};
}

key_ptr make_key() {
  return {checked(EVP_EC_gen("P-256")), EVP_PKEY_free};
}

void extend(X509* certificate, X509* issuer, int what, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  auto* extension = checked(X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str()));
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

certificate_ptr make_certificate(
  const std::string& name, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key, const certificate_wish& wish) {
  constexpr long day = 24 * 3600;
  static long serial = 0;
  certificate_ptr made{checked(X509_new()), X509_free};
  auto* x = made.get();
  X509_set_version(x, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(x), wish.begins * day);
  X509_gmtime_adj(X509_getm_notAfter(x), wish.ends * day);
  X509_set_pubkey(x, key);
  X509_NAME_add_entry_by_txt(
    X509_get_subject_name(x), "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  auto is_root = !issuer;
  X509_set_issuer_name(x, X509_get_subject_name(is_root ? x : issuer));
  extend(x, is_root ? x : issuer, NID_basic_constraints, is_root ? "critical,CA:TRUE" : "CA:FALSE");
  if (!is_root)
    extend(x, issuer, NID_subject_alt_name, wish.hosts);
  X509_sign(x, issuer_key, EVP_sha256());
  return made;
}

using file_ptr = std::unique_ptr<FILE, int (*)(FILE*)>;

/// Replaced in one step, so that the file is another one.
template <class Write>
void write_file(const std::string& path, Write write) {
  auto temporary = path + ".new";
  {
    file_ptr out{checked(std::fopen(temporary.c_str(), "w")), std::fclose};
    write(out.get());
  }
  std::filesystem::rename(temporary, path);
}

} // namespace

temporary_folder::temporary_folder() {
  std::string name = (std::filesystem::temp_directory_path() / "sluice-unit-XXXXXX").string();
  path_ = checked(::mkdtemp(name.data()));
}

temporary_folder::~temporary_folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

struct test_authority::material {
  key_ptr key = make_key();
  certificate_ptr certificate;
};

test_authority::test_authority(const temporary_folder& folder, const std::string& name)
  : folder_{folder}, file_{folder.file(name + ".crt")}, own_{std::make_unique<material>()} {
  auto* key = own_->key.get();
  own_->certificate = make_certificate(name, key, nullptr, key, {});
  write_file(file_, [&](FILE* out) { PEM_write_X509(out, own_->certificate.get()); });
}

test_authority::~test_authority() = default;

void test_authority::issue(const std::string& name, const certificate_wish& wish) const {
  auto key = make_key();
  auto made = make_certificate(name, key.get(), own_->certificate.get(), own_->key.get(), wish);
  write_file(folder_.file(name + ".crt"), [&](FILE* out) { PEM_write_X509(out, made.get()); });
  write_file(folder_.file(name + ".key"),
    [&](FILE* out) { PEM_write_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr); });
}

} // namespace sluice::test
