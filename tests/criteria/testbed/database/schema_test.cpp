#include "criteria/testbed/database/schema.h"

#include <doctest/doctest.h>

#include "engine/error.h"
#include "tests/temporary_folder.h"

using namespace safer;

namespace {

std::uint64_t digest_of(const std::string& inserts) {
  const TemporaryFolder folder;
  Database database(folder / "a.sqlite", Database::Access::create);
  create_tables(database);
  database.execute(inserts);
  return digest(database);
}

}  // namespace

TEST_CASE("schema: settings are noted once, and others are refused with every difference named") {
  const TemporaryFolder folder;
  Database database(folder / "a.sqlite", Database::Access::create);
  CHECK_THROWS_AS(require_tables(database), Error);
  create_tables(database);
  create_tables(database);
  require_tables(database);
  const Settings settings = {{"draws", "8"}, {"levels", "0.1,0.2"}, {"seed", "1"}};
  agree_on_settings(database, settings);
  agree_on_settings(database, settings);
  CHECK(read_settings(database) == settings);
  CHECK_THROWS_WITH_AS(
      agree_on_settings(database, {{"draws", "9"}, {"levels", "0.1,0.2"}, {"seed", "2"}}),
      (database.file() + ": made with other settings: draws is 8, not 9; seed is 1, not 2. Give these, or another file").c_str(),
      Error);
  CHECK_THROWS_WITH_AS(agree_on_settings(database, {{"draws", "8"}, {"noises", "zero"}, {"seed", "1"}}),
                       (database.file() + ": made with other settings: levels is 0.1,0.2, not the default; noises is the default, "
                                          "not zero. Give these, or another file")
                           .c_str(),
                       Error);
  CHECK(read_settings(database) == settings);
}

TEST_CASE("schema: another program's database stays as it is") {
  const TemporaryFolder folder;
  Database database(folder / "a.sqlite", Database::Access::create);
  database.execute("CREATE TABLE other(a)");
  CHECK_THROWS_WITH_AS(create_tables(database),
                       (database.file() + ": this is another program's database; give a file of its own").c_str(), Error);
  CHECK_FALSE(database.has_table("setting"));
}

TEST_CASE("schema: a digest is that of the content, whatever the order in which it was written") {
  const std::string a = "INSERT INTO network VALUES(1, 'f', 0, 'm', 5, 1, 1);",
                    b = "INSERT INTO network VALUES(2, 'f', 1, 'm', 5, 1, 1);";
  const std::string layer = "INSERT INTO layer VALUES(1, 0, 'l', 'b', 10);",
                    other = "INSERT INTO layer VALUES(1, 1, 'l', 'b', 10);";
  CHECK(digest_of(a + b + layer + other) == digest_of(b + other + a + layer));
  CHECK(digest_of(a + b) != digest_of(a));
  CHECK(digest_of(a) != digest_of("INSERT INTO network VALUES(1, 'f', 0, 'm', 5, 0.5, 1);"));
  CHECK(digest_of(a) != digest_of("INSERT INTO network VALUES(1, 'f', 0, 'n', 5, 1, 1);"));
  CHECK(digest_of("INSERT INTO score VALUES(1, 1, 0, NULL);") != digest_of("INSERT INTO score VALUES(1, 1, 0, 0);"));
}
