// A folder of files for one test; gone afterwards.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "base/uuid.h"

class Scratch {
 public:
  Scratch() : path_(std::filesystem::temp_directory_path() / ("wherry-settings-" + wherry::make_uuid())) {
    std::filesystem::create_directories(path_);
  }
  ~Scratch() { std::filesystem::remove_all(path_); }

  // Writes a file and gives its path.
  std::string write(const std::string& name, const std::string& text) {
    std::ofstream(path_ / name) << text;
    return (path_ / name).string();
  }
  std::string path(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};
