/*
 * exuvia.hpp: the library of exuvia.h for C++17. Header only; nothing here that C could not do at the same cost.
 *
 *     struct node {
 *         static constexpr const char *type_name = "node";
 *         static constexpr auto members() { return std::make_tuple(&node::next); }
 *         exuvia::ref<node> next = {};
 *     };
 *
 *     exuvia::heap heap;
 *     exuvia::ref<node> a = heap.make<node>(), b = heap.make<node>(a);
 *     a->next = b; // a ring, which heap.collect() finds
 *
 * ref owns a reference: copying it counts, moving it does not. What C answers with a status is thrown: out of memory as
 * std::bad_alloc, the rest as exuvia::error. Functions of exuvia.h take what get() gives.
 *
 * A class becomes a type of objects by `type_name`, and by one of these that say which references it owns; without any
 * it owns none:
 *  - static constexpr auto members(): a std::tuple of pointers to its members that are refs;
 *  - template <class Each> void each_reference(Each &&each): calls each(ref) for each ref, in vectors for instance;
 *  - static constexpr auto references(): a std::array of the uint32_t offsetof() each of them: dies at the least cost.
 * It may have, too:
 *  - void finalize(): Python's destructor (exv_type.finalize);
 *  - static constexpr bool needs_destructor = false: what its refs do not hold needs no destruction;
 *  - static constexpr void extend(exv_type &type): sets repr, equal and the others.
 * Its destructor is exv_type.destroy: it runs last, when the refs are empty. None of these may throw.
 */
#ifndef EXUVIA_HPP
#define EXUVIA_HPP

#include "exuvia.h"

#include <array>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <utility>

namespace exuvia {

/** An owned reference, or none. T is a class of objects, one of the values of exuvia.h, or void. */
template <class T> class ref {
public:
    constexpr ref() noexcept = default;
    constexpr ref(std::nullptr_t) noexcept {}
    ref(const ref &other) noexcept : object_(other.object_) { exv_incref(object_); }
    ref(ref &&other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
    template <class U, class = std::enable_if_t<std::is_convertible_v<U *, T *>>>
    ref(ref<U> other) noexcept : object_(other.release()) {}
    ~ref()
    {
        if (object_)
            exv_decref(object_);
    }

    /** The old reference goes last: its death may look at this one. */
    ref &operator=(ref other) noexcept
    {
        std::swap(object_, other.object_);
        return *this;
    }

    /** Consumes an owned reference: what `new` and `incref` of exuvia.h give. */
    static ref take(T *owned) noexcept
    {
        ref made;
        made.object_ = owned;
        return made;
    }

    /** One more reference to what is borrowed: what `get` of exuvia.h gives, for instance. */
    static ref share(T *borrowed) noexcept
    {
        exv_incref(borrowed);
        return take(borrowed);
    }

    T *get() const noexcept { return object_; }
    T *operator->() const noexcept { return object_; }
    std::add_lvalue_reference_t<T> operator*() const noexcept { return *object_; }
    explicit operator bool() const noexcept { return object_ != nullptr; }

    /** Hands the reference to the caller, who gives it up with exv_decref(). */
    [[nodiscard]] T *release() noexcept { return std::exchange(object_, nullptr); }

private:
    T *object_ = nullptr;
};

template <class T, class U> bool operator==(const ref<T> &a, const ref<U> &b) noexcept { return a.get() == b.get(); }
template <class T, class U> bool operator!=(const ref<T> &a, const ref<U> &b) noexcept { return a.get() != b.get(); }
template <class T> bool operator==(const ref<T> &a, std::nullptr_t) noexcept { return !a; }
template <class T> bool operator!=(const ref<T> &a, std::nullptr_t) noexcept { return bool(a); }

/** A failure, with its text and what it carries (exv_raise()). */
class error : public std::runtime_error {
public:
    explicit error(exv_heap *heap)
        : std::runtime_error(exv_error_message(heap)), status_(exv_error_status(heap)),
          value_(ref<void>::share(exv_error_get_value(heap)))
    {
    }
    exv_status status() const noexcept { return status_; }
    const ref<void> &value() const noexcept { return value_; }

private:
    exv_status status_;
    ref<void> value_;
};

/** Throw the heap's last failure unless the status is EXV_OK. */
inline void check(exv_heap *heap, exv_status status)
{
    if (status == EXV_NO_MEMORY)
        throw std::bad_alloc();
    if (status != EXV_OK)
        throw error(heap);
}

namespace detail {

inline exv_heap *heap_of(exv_heap *heap) { return heap; }
inline exv_heap *heap_of(const void *object) { return exv_get_heap(object); }

template <class T, class = void> struct has_members : std::false_type {};
template <class T> struct has_members<T, std::void_t<decltype(T::members())>> : std::true_type {};
template <class T, class = void> struct has_references : std::false_type {};
template <class T> struct has_references<T, std::void_t<decltype(T::references())>> : std::true_type {};
template <class T, class = void> struct has_finalize : std::false_type {};
template <class T> struct has_finalize<T, std::void_t<decltype(std::declval<T &>().finalize())>> : std::true_type {};
template <class T, class = void> struct has_extend : std::false_type {};
template <class T>
struct has_extend<T, std::void_t<decltype(T::extend(std::declval<exv_type &>()))>> : std::true_type {};
template <class T, class = void> struct needs_destructor : std::negation<std::is_trivially_destructible<T>> {};
template <class T>
struct needs_destructor<T, std::void_t<decltype(T::needs_destructor)>> : std::bool_constant<T::needs_destructor> {};

struct visitor {
    exv_visit_fn *visit;
    void *arg;
    int end = 0;
    template <class U> void operator()(const ref<U> &child) noexcept
    {
        if (end == 0)
            end = visit(child.get(), arg);
    }
};

struct clearer {
    template <class U> void operator()(ref<U> &child) noexcept { child = nullptr; }
};

template <class T, class = void> struct has_each : std::false_type {};
template <class T>
struct has_each<T, std::void_t<decltype(std::declval<T &>().each_reference(std::declval<visitor &>()))>>
    : std::true_type {};

template <class T, class Each> void for_each(T &object, Each &each) noexcept
{
    if constexpr (has_members<T>::value)
        std::apply([&](auto... member) { (each(object.*member), ...); }, T::members());
    else
        object.each_reference(each);
}

template <class T> int visit(void *self, exv_visit_fn *each, void *arg) noexcept
{
    visitor v{each, arg};
    for_each(*static_cast<T *>(self), v);
    return v.end;
}

template <class T> void clear(void *self) noexcept
{
    clearer c;
    for_each(*static_cast<T *>(self), c);
}

template <class T> void finalize(void *self) noexcept { static_cast<T *>(self)->finalize(); }
template <class T> void destroy(void *self) noexcept { std::destroy_at(static_cast<T *>(self)); }

template <class T> inline constexpr auto fields = T::references();
template <class T>
inline constexpr exv_references references = {
    fields<T>.data(), static_cast<uint32_t>(fields<T>.size()), 0, nullptr, nullptr, 0, nullptr};

template <class T> constexpr exv_type make_type() noexcept
{
    exv_type type{};
    type.name = T::type_name;
    type.size = sizeof(T);
    if constexpr (has_references<T>::value) {
        type.references = &references<T>;
    } else if constexpr (has_members<T>::value || has_each<T>::value) {
        type.visit = visit<T>;
        type.clear = clear<T>;
    }
    if constexpr (has_finalize<T>::value)
        type.finalize = finalize<T>;
    if constexpr (needs_destructor<T>::value)
        type.destroy = destroy<T>;
    if constexpr (has_extend<T>::value)
        T::extend(type);
    return type;
}

} // namespace detail

/** The type that a class makes, for exv_get_type() to be compared with. */
template <class T> inline constexpr exv_type type_of = detail::make_type<T>();

/** The object as one of T, borrowed; nullptr if it is of another type. */
template <class T> T *cast(void *object) noexcept
{
    return object && exv_get_type(object) == &type_of<T> ? static_cast<T *>(object) : nullptr;
}

/** A new object, made of the arguments beside the heap and then moved there: a constructor may throw, and what it notes
 *  of `this` is not where the object will be. */
template <class T, class... Args> [[gnu::always_inline]] inline ref<T> make(exv_heap *heap, Args &&...args)
{
    static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_destructible_v<T>);
    static_assert(alignof(T) <= 16, "payloads are aligned to 16 bytes");
    T made{std::forward<Args>(args)...};
    void *place = exv_new(heap, &type_of<T>);
    if (!place)
        throw std::bad_alloc();
    return ref<T>::take(::new (place) T(std::move(made)));
}

/** What a constructor of exuvia.h gives: new_value(exv_list_new, heap). */
template <class T, class... Parameters, class... Args> ref<T> new_value(T *(*function)(Parameters...), Args &&...args)
{
    T *made = function(std::forward<Args>(args)...);
    if (!made)
        throw std::bad_alloc();
    return ref<T>::take(made);
}

/** What a function of exuvia.h gives by its last parameter, as an owned reference:
 *  result<exv_str>(exv_str_from, heap, "text"). */
template <class T, class Function, class First, class... Args>
ref<T> result(Function function, First first, Args... args)
{
    T *made = nullptr;
    check(detail::heap_of(first), function(first, args..., &made));
    return ref<T>::take(made);
}

/** The same where it is borrowed: result_borrowed<void>(exv_list_get, list, 0). */
template <class T, class Function, class First, class... Args>
ref<T> result_borrowed(Function function, First first, Args... args)
{
    T *got = nullptr;
    check(detail::heap_of(first), function(first, args..., &got));
    return ref<T>::share(got);
}

/** A weak reference. */
template <class T> class weak {
public:
    weak() noexcept = default;
    explicit weak(const ref<T> &target) : ref_(new_value(exv_weakref_new, target.get(), nullptr, nullptr)) {}

    /** The object, or none when it is dead. */
    ref<T> lock() const noexcept
    {
        return ref<T>::take(ref_ ? static_cast<T *>(exv_weakref_incref(ref_.get())) : nullptr);
    }

private:
    ref<exv_weakref> ref_;
};

/** A heap that ends with its scope. All refs to its objects go before. */
class heap {
public:
    explicit heap(const exv_config *config = nullptr) : heap_(exv_heap_new(config))
    {
        if (!heap_)
            throw std::bad_alloc();
    }
    operator exv_heap *() const noexcept { return heap_.get(); }
    template <class T, class... Args> [[gnu::always_inline]] ref<T> make(Args &&...args) const
    {
        return exuvia::make<T>(heap_.get(), std::forward<Args>(args)...);
    }
    std::size_t collect(int generation = 2) const noexcept { return exv_collect(heap_.get(), generation); }

    /** End it now: how many objects were left (exv_heap_free()). */
    std::size_t close() noexcept { return exv_heap_free(heap_.release()); }

private:
    struct ender {
        void operator()(exv_heap *heap) const noexcept { exv_heap_free(heap); }
    };
    std::unique_ptr<exv_heap, ender> heap_;
};

} // namespace exuvia
#endif
