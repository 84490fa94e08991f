/* Where this program's file lies: what was installed with it is found from there, whatever the prefix. */
#ifndef DTR_BASE_PROGRAM_H
#define DTR_BASE_PROGRAM_H

#define DTR_PROGRAM_PATH 4096

/* The folder without a slash at the end; "" when the system does not say. Any thread. */
void dtr_program_folder(char folder[DTR_PROGRAM_PATH]);

#endif
