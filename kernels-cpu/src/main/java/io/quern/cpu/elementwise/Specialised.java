package io.quern.cpu.elementwise;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;

/**
 * Copies of one class that differ in a constant. A template is written once for all functions of a
 * kind; each function gets a hidden class of its own from the template's bytes, so its loop has a
 * profile of its own and the compiler folds the choice of the function away.
 *
 * <p>Templates compare the constant with {@code ==} in a row of ifs; a {@code switch} over an enum
 * reads an array that the compiler does not fold.
 */
public final class Specialised {
  private Specialised() {}

  /** An instance of a copy of the lookup's class, in which {@code value} is the class data. */
  public static Object copy(MethodHandles.Lookup template, Object value) {
    MethodHandles.Lookup copy = define(template, value);
    try {
      return copy.findConstructor(copy.lookupClass(), MethodType.methodType(void.class)).invoke();
    } catch (Error e) {
      throw e;
    } catch (Throwable e) {
      throw failed(template, value, e);
    }
  }

  /** A static method of a copy of the lookup's class, in which {@code value} is the class data. */
  static MethodHandle method(
      MethodHandles.Lookup template, Object value, String name, MethodType type) {
    MethodHandles.Lookup copy = define(template, value);
    try {
      return copy.findStatic(copy.lookupClass(), name, type);
    } catch (ReflectiveOperationException e) {
      throw failed(template, value, e);
    }
  }

  private static MethodHandles.Lookup define(MethodHandles.Lookup template, Object value) {
    Class<?> type = template.lookupClass();
    String file = type.getName().substring(type.getPackageName().length() + 1) + ".class";
    try (InputStream bytes = type.getResourceAsStream(file)) {
      if (bytes == null) {
        throw new IllegalStateException("specialise: no class file of " + type.getName());
      }
      return template.defineHiddenClassWithClassData(bytes.readAllBytes(), value, true);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (IllegalAccessException e) {
      throw failed(template, value, e);
    }
  }

  private static IllegalStateException failed(
      MethodHandles.Lookup template, Object value, Throwable cause) {
    return new IllegalStateException(
        "specialise: " + template.lookupClass().getName() + " for " + value, cause);
  }

  /** The class data of the calling copy; in the template itself, which is never run, null. */
  public static <T> T constant(MethodHandles.Lookup caller, Class<T> type) {
    try {
      return MethodHandles.classData(caller, "_", type);
    } catch (IllegalAccessException e) {
      throw new IllegalStateException(e);
    }
  }
}
