#pragma once

#include <chrono>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include "messages/errc.hpp"
#include "transport/tls_files.hpp"

struct ssl_ctx_st;

namespace sluice {

enum class tls_side : std::uint8_t { client, server };

/// When the first of the certificates in a file ends to be valid.
struct certificate_expiry {
  std::string file;
  std::chrono::system_clock::time_point at;
};

/// What the TLS sessions of a lane are made from. Once it is used, only on the network's thread.
class tls_context {
public:
  /// Errors name the file: not_found, permission_denied, is_a_directory, io_error; malformed if it holds something
  /// else than it should, or a key that is not the certificate's; untrusted if a certificate of ours is not valid now;
  /// invalid_argument if a file is missing among `files`.
  static expected<std::shared_ptr<tls_context>> open(tls_files files, tls_side side);

  const tls_files& files() const noexcept { return files_; }
  tls_side side() const noexcept { return side_; }

  /// For the next session.
  ssl_ctx_st* current() const noexcept { return loaded_.context.get(); }

  const std::vector<certificate_expiry>& expiries() const noexcept { return loaded_.expiries; }

  /// Reads the files again if any has changed, or could not be used the last time: that may pass, as a descriptor too
  /// many or a clock that is behind. If they are bad, that is logged once as an error and changes nothing.
  void refresh();

private:
  struct free_context {
    void operator()(ssl_ctx_st* context) const noexcept;
  };
  using context_ptr = std::unique_ptr<ssl_ctx_st, free_context>;

  struct loaded {
    context_ptr context;
    std::vector<certificate_expiry> expiries;
  };

  /// Tells a file from the one that was there before.
  struct file_stamp {
    std::uint64_t device = 0, inode = 0, size = 0;
    std::int64_t seconds = 0, nanoseconds = 0; ///< Of its last change.
    friend bool operator==(const file_stamp&, const file_stamp&) = default;
  };

  tls_context(tls_files files, tls_side side) : files_{std::move(files)}, side_{side} {}

  static expected<loaded> load(const tls_files& files, tls_side side);
  std::vector<file_stamp> stamps() const;

  tls_files files_;
  tls_side side_;
  std::vector<file_stamp> stamps_; ///< When last read.
  std::string failure_;            ///< Of the last time; empty if there was none.
  loaded loaded_;
};

} // namespace sluice
