#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "transport/tls_files.hpp"

namespace sluice::test {

/// A folder of its own, until destroyed.
class temporary_folder {
public:
  temporary_folder();
  temporary_folder(const temporary_folder&) = delete;
  ~temporary_folder();

  std::string file(const std::string& name) const { return (path_ / name).string(); }

private:
  std::filesystem::path path_;
};

/// What a certificate says; times in days from now.
struct certificate_wish {
  std::string hosts = "DNS:localhost,IP:127.0.0.1"; ///< As OpenSSL's configuration files have them.
  int begins = -1;
  int ends = 30;
};

/// Signs certificates, as files in a folder.
class test_authority {
public:
  /// Its own certificate is in `NAME.crt`.
  test_authority(const temporary_folder& folder, const std::string& name);
  ~test_authority();

  /// Writes `NAME.crt` and `NAME.key`, replacing them if they are there.
  void issue(const std::string& name, const certificate_wish& wish = {}) const;

  const std::string& file() const noexcept { return file_; }

private:
  struct material;

  const temporary_folder& folder_;
  std::string file_;
  std::unique_ptr<material> own_;
};

} // namespace sluice::test
