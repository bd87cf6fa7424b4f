/* What preloading anything at all costs: an ordinarily linked shared object without any content. */

typedef int nothing; /* a translation unit must hold something */
