/* How the labels of two hosts, or of a host and a cluster, compare (features page 1.9). ASCII case is
 * ignored. */
#ifndef DTR_BRAIN_LABELS_H
#define DTR_BRAIN_LABELS_H

/* Equal leading elements between '|', at most five, divided by five; 1 when the whole strings are equal, 0
 * when one is empty. */
double dtr_location_match(const char *a, const char *b);
/* Whether `idc` is `list` as a whole or one of its elements between '|', as 1 or 0; 0 when one is empty. */
double dtr_idc_listed(const char *idc, const char *list);

#endif
