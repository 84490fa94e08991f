/* See rig.h. */
#include "core/manager/store/rig.h"

#include "core/base/str.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static const char *module_file;
static const char *const *server_settings; /* for a database on a server, which is emptied for each test */
static size_t server_setting_count;

static int unlink_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void store_rig_arguments(int argc, char **argv)
{
    module_file = argc > 1 ? argv[1] : NULL;
    server_settings = argc > 2 ? (const char *const *)&argv[2] : NULL;
    server_setting_count = argc > 2 ? (size_t)argc - 2 : 0;
}

static int add_name(void *context, const struct dtr_value *columns, size_t count, struct dtr_error *err)
{
    (void)count;
    (void)err;
    dtr_str_printf(context, "%s\"%s\"", ((struct dtr_str *)context)->length > 0 ? ", " : "", columns[0].text);
    return DTR_OK;
}

static void drop_tables(struct store_rig *rig)
{
    struct dtr_str names = {0}, sql = {0};
    const struct dtr_row_sink sink = {add_name, &names};
    struct dtr_error err = {0};
    struct dtr_db *db;
    if (rig->ops->open(rig->module.instance, &db, &err) != DTR_OK)
        fail_msg("%s", err.text);
    assert_int_equal(rig->ops->run(db, rig->ops->dialect->tables, NULL, 0, &sink, NULL, &err), DTR_OK);
    dtr_str_printf(&sql, "DROP TABLE %s", dtr_str_text(&names));
    if (names.length > 0)
        assert_int_equal(rig->ops->run(db, dtr_str_text(&sql), NULL, 0, NULL, NULL, &err), DTR_OK);
    dtr_str_free(&sql);
    dtr_str_free(&names);
    rig->ops->close(db);
}

void store_rig_open(struct store_rig *rig)
{
    struct dtr_error err = {0};
    const struct dtr_module *module;
    (void)snprintf(rig->folder, sizeof(rig->folder), "/tmp/darter-manager-XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    (void)snprintf(rig->setting, sizeof(rig->setting), "path=%s/manager.db", rig->folder);
    const char *const file_setting = rig->setting;
    assert_int_equal(dtr_testhost_load(module_file, &module, &err), DTR_OK);
    assert_int_equal(dtr_testhost_start(module, server_settings ? server_settings : &file_setting,
                                        server_settings ? server_setting_count : 1, &rig->module, &err),
                     DTR_OK);
    rig->ops = dtr_testhost_ops(module, "database");
    if (server_settings)
        drop_tables(rig);
}

void store_rig_close(struct store_rig *rig)
{
    dtr_testhost_stop(&rig->module);
    (void)nftw(rig->folder, unlink_one, 8, FTW_DEPTH | FTW_PHYS);
}
