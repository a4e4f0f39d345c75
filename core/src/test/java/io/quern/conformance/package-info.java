/**
 * The conformance suite: op cases as objects, checked against the reference kernels in double
 * precision. Other modules run it on their devices. Only the classes named {@code ...Test} or
 * {@code Abstract...} know JUnit.
 */
@NullMarked
package io.quern.conformance;

import org.jspecify.annotations.NullMarked;
