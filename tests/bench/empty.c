/* What preloading anything at all costs: an ordinarily linked shared object without any content. */

/* A translation unit must hold something. */
extern const char bench_empty;
const char bench_empty = 0;
