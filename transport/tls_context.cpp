#include "transport/tls_context.hpp"

#include <algorithm>
#include <span>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include "transport/posix_file_system.hpp"

namespace sluice {

namespace {

constexpr std::size_t max_file_bytes = 4 * 1024 * 1024; // the list of all that a system trusts takes a quarter MiB

template <auto Free>
struct freed_by {
  template <class T>
  void operator()(T* x) const noexcept {
    Free(x);
  }
};
using bio_ptr = std::unique_ptr<BIO, freed_by<BIO_free_all>>;
using certificate_ptr = std::unique_ptr<X509, freed_by<X509_free>>;
using key_ptr = std::unique_ptr<EVP_PKEY, freed_by<EVP_PKEY_free>>;

/// Why the library has refused what it was asked last.
std::string refusal() {
  auto* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return reason ? reason : "out of memory";
}

/// Whose content is read from a copy of it in memory.
struct pem {
  std::string content;
  bio_ptr reader;
};

expected<pem> read_pem(const std::string& file) {
  posix_file_system files;
  return read_file(files, file, max_file_bytes).map([](std::string content) {
    pem made{std::move(content), nullptr};
    made.reader.reset(BIO_new_mem_buf(made.content.data(), static_cast<int>(made.content.size())));
    return made;
  });
}

std::chrono::system_clock::time_point to_time(const ASN1_TIME* when) {
  std::tm parts{};
  return ASN1_TIME_to_tm(when, &parts) == 1 ? std::chrono::system_clock::from_time_t(timegm(&parts))
                                            : std::chrono::system_clock::time_point{};
}

using certificates = std::vector<certificate_ptr>;

expected<certificates> read_certificates(const std::string& file) {
  auto source = read_pem(file);
  if (!source)
    return fail(source.error());
  certificates found;
  while (certificate_ptr next{PEM_read_bio_X509(source->reader.get(), nullptr, nullptr, nullptr)})
    found.push_back(std::move(next));
  auto is_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  auto why = refusal();
  if (!is_end)
    return fail(errc::malformed, fmt::format("{}: certificate {} cannot be read: {}", file, found.size() + 1, why));
  if (found.empty())
    return fail(errc::malformed, fmt::format("{}: holds no certificate in PEM form", file));
  return found;
}

/// Refuses a key that is encrypted, instead of asking the terminal for the passphrase.
int no_passphrase(char*, int, int, void* was_asked) {
  *static_cast<bool*>(was_asked) = true;
  return -1;
}

expected<key_ptr> read_key(const std::string& file) {
  auto source = read_pem(file);
  if (!source)
    return fail(source.error());
  bool is_encrypted = false;
  key_ptr key{PEM_read_bio_PrivateKey(source->reader.get(), nullptr, no_passphrase, &is_encrypted)};
  auto why = refusal();
  if (is_encrypted)
    return fail(errc::malformed, fmt::format("{}: the key has a passphrase; give one that has none", file));
  if (!key)
    return fail(errc::malformed, fmt::format("{}: holds no private key in PEM form: {}", file, why));
  return key;
}

certificate_expiry first_to_expire(const std::string& file, const certificates& among) {
  auto end_of = [](auto& x) { return to_time(X509_get0_notAfter(x.get())); };
  return {file, end_of(*std::ranges::min_element(among, {}, end_of))};
}

expected<void> check_dates(const std::string& file, const certificates& chain) {
  std::size_t number = 0;
  auto say = [&](std::string_view what, const ASN1_TIME* when) {
    return fail(errc::untrusted, fmt::format("{}: certificate {} {} {:%Y-%m-%dT%H:%M:%SZ}", file, number, what,
                                   fmt::gmtime(std::chrono::system_clock::to_time_t(to_time(when)))));
  };
  for (auto& x : chain) {
    ++number;
    if (auto* end = X509_get0_notAfter(x.get()); X509_cmp_current_time(end) <= 0)
      return say("has expired on", end);
    if (auto* begin = X509_get0_notBefore(x.get()); X509_cmp_current_time(begin) > 0)
      return say("is not valid before", begin);
  }
  return {};
}

/// Gives the context our certificate, those that follow it, and its key.
expected<certificate_expiry> add_identity(SSL_CTX* context, const tls_files& files) {
  auto chain = read_certificates(files.cert);
  if (!chain)
    return fail(chain.error());
  auto* own = chain->front().get();
  if (auto checked = check_dates(files.cert, *chain); !checked)
    return fail(checked.error());
  auto key = read_key(files.key);
  if (!key)
    return fail(key.error());
  if (X509_check_private_key(own, key->get()) != 1) {
    ERR_clear_error();
    return fail(errc::malformed, fmt::format("{}: is not the key of the certificate {}", files.key, files.cert));
  }
  if (SSL_CTX_use_certificate(context, own) != 1)
    return fail(errc::malformed, fmt::format("{}: the certificate is not accepted: {}", files.cert, refusal()));
  if (SSL_CTX_use_PrivateKey(context, key->get()) != 1)
    return fail(errc::malformed, fmt::format("{}: the key is not accepted: {}", files.key, refusal()));
  for (auto& next : std::span{*chain}.subspan(1))
    if (SSL_CTX_add1_chain_cert(context, next.get()) != 1)
      return fail(errc::malformed, fmt::format("{}: the chain is not accepted: {}", files.cert, refusal()));
  return first_to_expire(files.cert, *chain);
}

/// Lets those of `file` vouch for peers.
expected<certificate_expiry> trust(SSL_CTX* context, const std::string& file, tls_side side) {
  auto trusted = read_certificates(file);
  if (!trusted)
    return fail(trusted.error());
  for (auto& x : *trusted) {
    auto is_taken = X509_STORE_add_cert(SSL_CTX_get_cert_store(context), x.get()) == 1;
    if (is_taken && side == tls_side::server)
      is_taken = SSL_CTX_add_client_CA(context, x.get()) == 1;
    if (!is_taken)
      return fail(errc::malformed, fmt::format("{}: a certificate is not accepted: {}", file, refusal()));
  }
  return first_to_expire(file, *trusted);
}

void configure(SSL_CTX* context, tls_version least) {
  SSL_CTX_set_min_proto_version(context, least == tls_version::v1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
  // Whether a peer may still come in is decided anew each time. Nor must a server say what a peer that only writes
  // would leave unread: closing its socket then resets the connection, and what it has sent last is lost.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 0);
  // That a connection ends without a goodbye is no news: frames are acknowledged, and syslog has no end.
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(
    context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context, 1);
}

expected<void> check_names(const tls_files& files, tls_side side) {
  if (side == tls_side::server && files.cert.empty())
    return fail(errc::invalid_argument, "who accepts TLS needs a certificate and its key");
  if (files.cert.empty() != files.key.empty())
    return fail(errc::invalid_argument, files.key.empty()
                                          ? fmt::format("{}: the key of this certificate is not given", files.cert)
                                          : fmt::format("{}: the certificate of this key is not given", files.key));
  return {};
}

} // namespace

void tls_context::free_context::operator()(ssl_ctx_st* context) const noexcept {
  SSL_CTX_free(context);
}

expected<tls_context::loaded> tls_context::load(const tls_files& files, tls_side side) {
  if (auto checked = check_names(files, side); !checked)
    return fail(checked.error());
  loaded made{context_ptr{SSL_CTX_new(side == tls_side::server ? TLS_server_method() : TLS_client_method())}, {}};
  auto* context = made.context.get();
  if (!context)
    return fail(errc::io_error, fmt::format("TLS is not available: {}", refusal()));
  configure(context, files.min_version);
  auto add = [&made](const expected<certificate_expiry>& added) -> expected<void> {
    if (!added)
      return fail(added.error());
    made.expiries.push_back(*added);
    return {};
  };
  expected<void> done;
  if (!files.cert.empty())
    done = add(add_identity(context, files));
  auto& trusted = side == tls_side::server ? files.client_ca : files.ca;
  if (done && !trusted.empty())
    done = add(trust(context, trusted, side));
  if (!done)
    return fail(done.error());
  if (side == tls_side::server) {
    SSL_CTX_set_verify(
      context, trusted.empty() ? SSL_VERIFY_NONE : SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  } else {
    if (trusted.empty())
      SSL_CTX_set_default_verify_paths(context);
    SSL_CTX_set_verify(context, files.insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
  }
  return made;
}

expected<std::shared_ptr<tls_context>> tls_context::open(tls_files files, tls_side side) {
  std::shared_ptr<tls_context> made{new tls_context{std::move(files), side}};
  made->stamps_ = made->stamps(); // before reading: what changes meanwhile is read again
  return load(made->files_, side).map([&](loaded content) {
    made->loaded_ = std::move(content);
    return made;
  });
}

std::vector<tls_context::file_stamp> tls_context::stamps() const {
  std::vector<file_stamp> result;
  for (auto* file : {&files_.cert, &files_.key, &files_.ca, &files_.client_ca}) {
    struct stat found {};
    if (file->empty() || ::stat(file->c_str(), &found) != 0)
      result.emplace_back();
    else
      result.push_back({found.st_dev, found.st_ino, static_cast<std::uint64_t>(found.st_size), found.st_mtim.tv_sec,
        found.st_mtim.tv_nsec});
  }
  return result;
}

void tls_context::refresh() {
  auto present = stamps();
  if (present == stamps_ && failure_.empty())
    return;
  auto has_changed = std::exchange(stamps_, present) != present;
  auto content = load(files_, side_);
  auto failure = content ? std::string{} : content.error().message;
  auto is_news = std::exchange(failure_, failure) != failure || has_changed;
  if (!content) {
    if (is_news)
      spdlog::error("{}; what was read before stays in use", failure);
    return;
  }
  loaded_ = std::move(*content);
  spdlog::info("{}: has changed and is in use for new connections", files_.cert.empty() ? files_.ca : files_.cert);
}

} // namespace sluice
