/** Operations as data: one record per op with its shape rule, and decompositions of composites. */
@NullMarked
package io.quern.op;

import org.jspecify.annotations.NullMarked;
