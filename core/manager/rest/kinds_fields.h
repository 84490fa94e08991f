/* Rows of the tables of fields that several resources have; only for kinds.c and cluster_kinds.c. */
#ifndef DTR_MANAGER_REST_KINDS_FIELDS_H
#define DTR_MANAGER_REST_KINDS_FIELDS_H

#include "core/manager/rest/checks.h"
#include "core/manager/rest/kinds.h"

#define F_ALL (F_CREATE | F_UPDATE | F_FILTER)
#define TEXT(name_, flags_, most_)                                                                           \
    {                                                                                                        \
        .name = name_, .kind = FIELD_TEXT, .flags = (flags_), .most = (most_), .preset = "\"\""              \
    }
#define NEEDED_TEXT(name_, flags_, most_)                                                                    \
    {                                                                                                        \
        .name = name_, .kind = FIELD_TEXT, .flags = (flags_) | F_NEEDED, .least = 1, .most = (most_)         \
    }
#define PORT(name_, flags_, least_)                                                                          \
    {                                                                                                        \
        .name = name_, .kind = FIELD_NUMBER, .flags = (flags_), .least = (least_), .most = 65535,            \
        .preset = "0"                                                                                        \
    }
#define IP(flags_)                                                                                           \
    {                                                                                                        \
        .name = "ip", .kind = FIELD_TEXT, .flags = (flags_) | F_NEEDED, .check = field_is_ip                 \
    }
#define CLUSTER_ID(name_, table_)                                                                            \
    {                                                                                                        \
        .name = name_, .kind = FIELD_NUMBER, .flags = F_ALL | F_NEEDED, .least = 1, .most = INT64_MAX,       \
        .refers = table_                                                                                     \
    }
#define NAME(flags_)                                                                                         \
    {                                                                                                        \
        .name = "name", .kind = FIELD_TEXT, .flags = (flags_) | F_NEEDED, .least = 1, .most = 120            \
    }
#define USER_ID                                                                                              \
    {                                                                                                        \
        .name = "user_id", .kind = FIELD_NUMBER, .flags = F_ALL, .least = 1, .most = INT64_MAX,              \
        .refers = "users"                                                                                    \
    }
#define STATE                                                                                                \
    {                                                                                                        \
        .name = "state", .kind = FIELD_TEXT, .flags = F_FILTER, .words = "active|inactive",                  \
        .preset = "\"inactive\""                                                                             \
    }
#define LIST(name_, of_)                                                                                     \
    {                                                                                                        \
        .name = name_, .kind = FIELD_LIST, .flags = F_CREATE, .most = 1000, .of = of_                        \
    }
#define SET(name_, of_)                                                                                      \
    {                                                                                                        \
        .name = name_, .kind = FIELD_LIST, .flags = F_CREATE, .most = 1000, .of = of_, .preset = "[]"        \
    }
#define OBJECT(name_, of_)                                                                                   \
    {                                                                                                        \
        .name = name_, .kind = FIELD_OBJECT, .flags = F_CREATE, .of = of_                                    \
    }
#define NUMBER(name_, least_, most_, preset_)                                                                \
    {                                                                                                        \
        .name = name_, .kind = FIELD_NUMBER, .flags = F_CREATE, .least = least_, .most = most_,              \
        .preset = preset_                                                                                    \
    }

#define CONFIG(name_, column_, of_)                                                                          \
    {                                                                                                        \
        .name = name_, .column = column_, .kind = FIELD_OBJECT, .flags = F_EDIT, .of = of_, .preset = "{}"   \
    }
#define FLAG(name_)                                                                                          \
    {                                                                                                        \
        .name = name_, .kind = FIELD_BOOL, .flags = F_ALL, .preset = "false"                                 \
    }

#endif
