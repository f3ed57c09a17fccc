#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace safer {

/// A prepared SQL statement. Parameters are bound in order; NaN becomes NULL, and NULL is read as NaN.
class Statement {
 public:
  /// Binds all parameters and forgets the rows of an earlier run.
  template <class... Values>
  Statement& bind(const Values&... values) {
    reset();
    int at = 0;
    (bind_one(++at, values), ...);
    return *this;
  }
  /// The next row, if there is one. Throws Error for what SQLite says.
  bool step();
  /// Binds and runs to the end.
  template <class... Values>
  void run(const Values&... values) {
    bind(values...);
    while (step()) continue;
    reset();
  }

  int columns() const;
  std::int64_t integer(int column) const;
  double real(int column) const;
  std::string text(int column) const;
  std::span<const std::byte> blob(int column) const;  // until the next step
  enum class Type { null, integer, real, text, blob };
  Type type(int column) const;

 private:
  friend class Database;
  Statement(sqlite3* database, std::string_view sql, std::string file);
  void reset();
  void bind_one(int at, std::int64_t value);
  void bind_one(int at, int value) { bind_one(at, std::int64_t{value}); }
  void bind_one(int at, std::size_t value) { bind_one(at, static_cast<std::int64_t>(value)); }
  void bind_one(int at, double value);
  void bind_one(int at, std::string_view value);
  void bind_one(int at, const std::string& value) { bind_one(at, std::string_view(value)); }
  void bind_one(int at, const char* value) { bind_one(at, std::string_view(value)); }
  void bind_one(int at, std::span<const std::byte> value);
  void check(int code) const;

  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  std::string file_;
  sqlite3* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

/// An SQLite file. Throws Error, naming the file, for what SQLite says; a file that another process is writing is called that.
class Database {
 public:
  enum class Access { read, write, create };
  /// `write` and `create` lock the file until the object ends, in whatever way the process ends; only `create` makes a new one.
  Database(const std::filesystem::path& path, Access access);

  void execute(const std::string& sql);
  Statement prepare(std::string_view sql) { return Statement(database_.get(), sql, file_); }
  bool has_table(std::string_view name);
  const std::string& file() const { return file_; }

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  std::string file_;
  std::unique_ptr<sqlite3, Close> database_;
};

/// All or nothing: what is not committed when the object ends, or the process is killed, never was.
class Transaction {
 public:
  explicit Transaction(Database& database) : database_(database) { database.execute("BEGIN IMMEDIATE"); }
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  Database& database_;
  bool open_ = true;
};

}  // namespace safer
