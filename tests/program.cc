/*
 * Everything in exuvia.hpp once; tests/test_header.py compiles and runs it with each C++ compiler.
 */
#include <exuvia.hpp>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

using exuvia::ref;

#define REQUIRE(condition) ((condition) ? void() : fail(__LINE__, #condition))

[[noreturn]] static void fail(int line, const char *condition)
{
    std::fprintf(stderr, "program.cc:%d: %s does not hold\n", line, condition);
    std::abort();
}

static int alive, finalized;

struct counted {
    counted() noexcept { alive++; }
    counted(const counted &) noexcept { alive++; }
    ~counted() { alive--; }
};

/* By members. */
struct node {
    static constexpr const char *type_name = "node";
    static constexpr auto members() { return std::make_tuple(&node::next, &node::other); }
    ref<node> next = {}, other = {};
    counted count = {};
};

/* By a function. */
struct branch {
    static constexpr const char *type_name = "branch";
    template <class Each> void each_reference(Each &&each)
    {
        each(parent);
        for (auto &child : children)
            each(child);
    }
    void finalize() { finalized++; }
    explicit branch(std::string given) : name(std::move(given))
    {
        if (name.empty())
            throw std::invalid_argument("a branch has a name");
    }
    std::string name;
    ref<branch> parent;
    std::vector<ref<void>> children;
};

/* By offsets, and with functions of its own. */
struct pair {
    static constexpr const char *type_name = "pair";
    static constexpr bool needs_destructor = false;
    static constexpr auto references()
    {
        return std::array<std::uint32_t, 2>{std::uint32_t(offsetof(pair, left)), std::uint32_t(offsetof(pair, right))};
    }
    static exv_status less_by_rank(void *a, void *b, bool *less)
    {
        *less = static_cast<pair *>(a)->rank < static_cast<pair *>(b)->rank;
        return EXV_OK;
    }
    static constexpr void extend(exv_type &type) { type.less = less_by_rank; }
    ref<void> left, right;
    int rank;
};

/* Of nothing. */
struct point {
    static constexpr const char *type_name = "point";
    double x, y;
};

static_assert(sizeof(ref<node>) == sizeof(void *) && std::is_nothrow_move_constructible_v<ref<node>>);
static_assert(!exuvia::type_of<point>.visit && !exuvia::type_of<point>.destroy && !exuvia::type_of<pair>.destroy);

static void references(exuvia::heap &heap)
{
    ref<node> a = heap.make<node>(), none;
    REQUIRE(!none && none == nullptr && exv_refcount(a.get()) == 1);
    ref<node> b = a, c = std::move(b);
    REQUIRE(!b && c == a && exv_refcount(a.get()) == 2);
    ref<node> &same = c;
    c = same;
    c = none;
    REQUIRE(exv_refcount(a.get()) == 1);
    ref<void> any = a;
    REQUIRE(exuvia::cast<node>(any.get()) == a.get() && !exuvia::cast<pair>(any.get()));
    node *owned = c.release();
    REQUIRE(!owned);
    a->next = heap.make<node>(a);
    any = nullptr;
    REQUIRE(alive == 2);
    a = nullptr;
    REQUIRE(alive == 2 && heap.collect() == 2 && alive == 0);
}

static void classes(exuvia::heap &heap)
{
    ref<branch> root = heap.make<branch>(std::string(100, 'x'));
    for (int i = 0; i < 10; i++) {
        ref<branch> child = heap.make<branch>("child");
        child->parent = root;
        root->children.push_back(child);
        root->children.push_back(heap.make<point>(1.0, 2.0));
    }
    exuvia::weak<branch> seen(root);
    REQUIRE(seen.lock() == root && root->name.size() == 100);
    REQUIRE(heap.collect() == 0);
    root = nullptr;
    REQUIRE(heap.collect() >= 11 && finalized == 11 && !seen.lock());
    try {
        heap.make<branch>("");
        fail(__LINE__, "an exception");
    } catch (const std::invalid_argument &) {
    }

    ref<pair> small = heap.make<pair>(ref<void>(), ref<void>(), 1), large = heap.make<pair>(small, small, 2);
    large->left = large;
    bool less = false;
    exuvia::check(heap, exv_less(small.get(), large.get(), &less));
    REQUIRE(less && exv_refcount(small.get()) == 2);
    large = nullptr;
    REQUIRE(heap.collect() == 1 && exv_refcount(small.get()) == 1);
}

static void values_and_errors(exuvia::heap &heap)
{
    ref<exv_list> list = exuvia::new_value(exv_list_new, heap);
    ref<exv_str> text = exuvia::result<exv_str>(exv_str_from, static_cast<exv_heap *>(heap), "text");
    exuvia::check(heap, exv_list_append(list.get(), text.get()));
    REQUIRE(exuvia::result_borrowed<void>(exv_list_get, list.get(), 0) == text);
    REQUIRE(exuvia::result<void>(exv_list_pop, list.get(), 0) == text);
    try {
        exuvia::result_borrowed<void>(exv_list_get, list.get(), 7);
        fail(__LINE__, "an exception");
    } catch (const exuvia::error &failure) {
        REQUIRE(failure.status() == EXV_INDEX_ERROR && !failure.value());
        REQUIRE(std::string(failure.what()) == "IndexError: list index out of range");
    }
    try {
        exuvia::check(heap, exv_raise(heap, EXV_ERROR, list.get(), "Oddity: %d", 7));
        fail(__LINE__, "an exception");
    } catch (const exuvia::error &failure) {
        exv_error_clear(heap);
        REQUIRE(failure.value() == list && std::string(failure.what()) == "Oddity: 7");
    }
    try {
        exuvia::new_value(exv_bytes_new, static_cast<exv_heap *>(heap), nullptr, EXV_MAX_SIZE + 1);
        fail(__LINE__, "an exception");
    } catch (const std::bad_alloc &) {
    }
}

int main()
{
    exuvia::heap heap;
    references(heap);
    classes(heap);
    values_and_errors(heap);
    REQUIRE(exv_heap_check(heap) == nullptr && heap.close() == 0);
    return 0;
}
