/* What origins say in Retry-After. */
#include "core/daemon/tasks/retry_after.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static void it_is_seconds_or_a_date(void **state)
{
    (void)state;
    const int64_t now = 1445412480; /* Wed, 21 Oct 2015 07:28:00 GMT */
    static const struct {
        const char *text;
        uint64_t seconds;
    } good[] = {{"0", 0},
                {"120", 120},
                {"18446744073709551615", UINT64_MAX},
                {"Wed, 21 Oct 2015 07:28:30 GMT", 30},
                {"Wed, 21 Oct 2015 07:27:00 GMT", 0},
                {"Sun, 06 Nov 1994 08:49:37 GMT", 0}};
    static const char *const bad[] = {
        "", "-1", "1.5", "soon", "120 ", "99999999999999999999", "Wed, 21 Oct 2015 07:28:30", "21 Oct 2015"};
    uint64_t seconds;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        seconds = 7;
        if (!retry_after(good[i].text, now, &seconds) || seconds != good[i].seconds)
            fail_msg("%s: %llu", good[i].text, (unsigned long long)seconds);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (retry_after(bad[i], now, &seconds))
            fail_msg("\"%s\" was understood", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_is_seconds_or_a_date)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
